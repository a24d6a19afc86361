"""Optional dependencies: one sentence names the extra that is missing."""

import importlib.util
from typing import Any

PACKAGES = {
    "app": ("gradio",),
    "caffe": ("google.protobuf",),
    "explain": ("captum",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "notebook": ("anywidget", "ipywidgets", "traitlets", "IPython"),
    "report": ("matplotlib",),
    "train": ("accelerate", "tensorboard"),
    "tracking": ("trackio",),
    "video": ("av",),
    "watch": ("watchfiles",),
}
"""For each extra of pyproject.toml, the import names of the packages that DGRL imports from it."""


class MissingExtraError(ModuleNotFoundError):
    """A part of DGRL needs packages that are not installed; the message says how to install them."""


def missing_packages(extra: str) -> list[str]:
    """Return the import names of the extra's packages that are not installed, without importing any."""
    return [name for name in PACKAGES[extra] if not _is_installed(name)]


def require(extra: str, *packages: str) -> None:
    """Raise `MissingExtraError` unless the extra's packages, or those named, are installed."""
    missing = [name for name in missing_packages(extra) if not packages or name in packages]
    if missing:
        raise MissingExtraError(how_to_install(extra, missing[0]), name=missing[0])


def how_to_install(extra: str, package: str) -> str:
    """Return one sentence that names the extra to which a missing package belongs."""
    return f"this needs the package {package}: pip install 'dgrl[{extra}]'"


def extra_of(module: str) -> tuple[str, str] | None:
    """Return the extra and its package to which a module belongs ("accelerate.utils"); None if no extra has it."""
    pairs = ((extra, package) for extra, packages in PACKAGES.items() for package in packages)
    return next(((extra, package) for extra, package in pairs if f"{module}.".startswith(f"{package}.")), None)


def load_pysodmetrics() -> Any:
    """Import pysodmetrics; call this on use, because scikit-learn takes seconds to import.

    Raises:
        MissingExtraError: it is not installed, as on Python 3.14, where pip cannot install what it requires.
    """
    try:
        import py_sod_metrics
    except ModuleNotFoundError as error:
        message = "this needs the package pysodmetrics: pip install --no-deps pysodmetrics"
        raise MissingExtraError(message, name="py_sod_metrics") from error
    return py_sod_metrics


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # its parent package is missing, or its entry in sys.modules is None
        return False
