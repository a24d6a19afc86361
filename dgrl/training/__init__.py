"""Training: see README.md beside this file for which file does what."""
