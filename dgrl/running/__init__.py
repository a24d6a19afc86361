"""Where and how a network runs: device, precision, folded batch-norms, memory, progress."""
