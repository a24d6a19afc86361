"""`make gpu-short` takes every package that DGRL imports to an offline machine, except PyTorch."""

import importlib.util
from pathlib import Path

from packaging.utils import canonicalize_name

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_wheels.py"


def load():
    spec = importlib.util.spec_from_file_location("gpu_wheels", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_wheels_are_all_that_is_needed_beside_pytorch():
    script = load()
    found = script.needed([f"dgrl[{','.join(script.EXTRAS)}]", *script.BESIDE])
    assert {"timm", "accelerate", "captum", "matplotlib", "ipywidgets", "pytest", "numpy"} <= set(found)
    assert not [name for name in found if name.startswith(("torch", "nvidia", "triton", "cuda", "jupyterlab-server"))]
    assert all(name == canonicalize_name(name) for name in found)
