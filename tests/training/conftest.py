"""Every training test begins without the state that Accelerate keeps."""

from tests.helpers.reset_accelerate import reset_accelerate  # noqa: F401
