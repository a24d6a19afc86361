"""Training: see README.md beside this file for which file does what."""

from dgrl.extras import require

require("train", "accelerate")
