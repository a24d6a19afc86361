"""Links name examples and settings that the app offers, and nothing else."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from gradio.utils import get_upload_folder

from dgrl.app.address import WITH_PHOTO, WITHOUT_PHOTO, Addresses
from dgrl.app.runs import AS_TRAINED


@pytest.fixture
def addresses(photo_files: dict[str, Path]) -> Addresses:
    return Addresses(["tiny", "other"], list(photo_files.values()), ["detect", "localise", "refine", "what-if"])


def read(addresses: Addresses, query: str) -> dict[str, object]:
    return addresses.read(dict(parse_qsl(query.removeprefix("?"))))


def test_what_is_written_is_read_again(addresses: Addresses) -> None:
    # The visitor's copy of the example lies elsewhere: it is known by its content.
    copy = addresses.photo("wide")
    assert copy is not None
    assert Path(copy).is_relative_to(get_upload_folder())
    query, note = addresses.write(copy, "other", 3, 2, "conv4", (12.0, 34.0), (56, 78), "localise")
    assert note == WITH_PHOTO
    assert read(addresses, query) == {
        "example": "wide", "checkpoint": "other", "steps": 3, "step": 2, "level": "conv4", "tab": "localise",
        "pixel": (12, 34),
    }  # fmt: skip
    query, _ = addresses.write(copy, "tiny", AS_TRAINED, 0, "conv3", (12, 34), (56, 78), "refine")
    found = read(addresses, query)
    assert found["pixel"] == (56, 78)
    assert "steps" not in found


def test_a_photo_of_ones_own_stays_ones_own(addresses: Addresses, new_photo: Path) -> None:
    query, note = addresses.write(str(new_photo), "tiny", 1, 0, "conv3", (1, 2), (3, 4), "refine")
    assert note == WITHOUT_PHOTO
    assert "new" not in query
    assert str(new_photo.parent) not in query
    assert read(addresses, query) == {"checkpoint": "tiny", "steps": 1, "step": 0, "level": "conv3", "tab": "refine"}
    query, _ = addresses.write(None, "tiny", AS_TRAINED, 0, "conv3", (None, None), (None, None), "detect")
    assert read(addresses, query) == {"checkpoint": "tiny", "step": 0, "level": "conv3", "tab": "detect"}


@pytest.mark.parametrize(
    "query",
    [
        "?example=../../../etc/passwd&checkpoint=/etc&tab=admin&level=conv9",
        "?example=/work/photo.jpg&steps=5&step=-1&x=-1&y=4",
        "?steps=1e9&step=²&x=nan&y=inf",
        "?x=99999999999999999999&y=1",
        "?x=3",
        "?__theme=dark&example=",
    ],
)
def test_what_is_not_offered_is_passed_over(addresses: Addresses, query: str) -> None:
    assert read(addresses, query) == {}
    assert addresses.photo(dict(parse_qsl(query[1:])).get("example", "")) is None
