"""The authors' own files: their format, and their weights as a checkpoint."""
