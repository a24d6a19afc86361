"""How a network runs: device, precision, folded batch-norms, memory, progress."""
