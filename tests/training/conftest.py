"""Every training test begins without the state that Accelerate keeps."""

from tests.helpers.fresh_accelerate import _fresh_accelerate  # noqa: F401
