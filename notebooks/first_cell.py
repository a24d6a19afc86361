"""The first code cell of every notebook, which installs DGRL on Colab and Kaggle; `notebooks.execute` puts it there."""

REPOSITORY = "https://github.com/dgrl/dgrl"
"""The repository in the package's metadata."""
EXTRAS = "notebook,train,explain"

FIRST_CELL = f'''# Installs DGRL on Colab and Kaggle. Elsewhere `make app` has installed it.
import importlib.util
import os
import sys

REPOSITORY = "{REPOSITORY}"

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    %pip install --quiet "dgrl[{EXTRAS}] @ git+{{REPOSITORY}}"
if importlib.util.find_spec("dgrl") is None:
    raise SystemExit("This kernel has no DGRL: run `make app` in a checkout and choose its .venv as the kernel.")

import torch

print("GPU:", torch.cuda.get_device_name() if torch.cuda.is_available() else "none, the CPU computes")'''
