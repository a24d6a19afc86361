"""Run a network: device, precision, folded batch-norms, memory, progress."""
