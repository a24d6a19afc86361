"""Names of version 2 that moved. They work until version 4."""

import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    """Return what a name of version 2 stands for now."""
    if name == "bundle":
        from dgrl.bundle import bundle as moved

        new = "dgrl.bundle.bundle"
    elif name == "page":
        from dgrl.page.inlining import stored_page as moved  # type: ignore[assignment]

        new = "dgrl.page.inlining.stored_page"
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"dgrl.explorer.{name} is now {new}", DeprecationWarning, stacklevel=2)
    return moved
