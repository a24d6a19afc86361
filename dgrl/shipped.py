"""What comes with DGRL beside its code: weights and examples, in a checkout or where an installed wheel puts them."""

import sys
import sysconfig
from pathlib import Path


def shipped(name: str) -> Path:
    """The folder `name` ("weights" or "examples"), whether or not it is there."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file():
        return checkout / name
    schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
    places = [Path(sysconfig.get_path("data", scheme)) for scheme in schemes] + [Path(sys.prefix)]
    folders = [place / "share" / "dgrl" / name for place in places]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


WEIGHTS = shipped("weights")
EXAMPLES = shipped("examples")
