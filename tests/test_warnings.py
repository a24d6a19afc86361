"""A deprecation that a dependency reports about our code is an error in the tests; one about other code is not."""

import warnings

import pytest


def call_deprecated(module: str) -> None:
    """Call something deprecated from a module of this name."""
    exec("warn('this goes in the next version', DeprecationWarning)", {"warn": warnings.warn, "__name__": module})


@pytest.mark.parametrize("module", ["dgrl.model", "dgrl.app.server"])
def test_a_deprecated_call_of_ours_is_an_error(module):
    with pytest.raises(DeprecationWarning, match="this goes"):
        call_deprecated(module)


def test_a_deprecated_call_of_a_dependency_is_not():
    call_deprecated("gradio.blocks")
