"""Lists of names as people write them, and what lies in folders beside pictures."""

import unicodedata

import pytest

from dgrl.data.checking import NOT_THERE, Folders, check
from dgrl.data.names import find_names, others_in, read_names
from dgrl.data.pairs import DataError, find_pairs
from tests.data.test_checking import folders, kinds, mask, picture  # noqa: F401

STEMS = {"pic0", "my pic 1", "ILSVRC.0003", "café", "#1", "a,b", "train"}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("pic0", {"pic0"}),
        ("pic0.jpg", {"pic0"}),
        ("pic0.JPEG", {"pic0"}),
        ("my pic 1", {"my pic 1"}),
        ("my pic 1.jpg", {"my pic 1"}),
        ('"my pic 1.jpg"', {"my pic 1"}),
        ("'pic0'", {"pic0"}),
        ("ILSVRC.0003", {"ILSVRC.0003"}),
        ("ILSVRC.0003.png", {"ILSVRC.0003"}),
        ("C:\\data\\images\\my pic 1.jpg", {"my pic 1"}),
        ("images/pic0.jpg", {"pic0"}),
        ("images/pic0.jpg masks/pic0.png", {"pic0"}),
        ("pic0.jpg\tmy pic 1.jpg", {"pic0", "my pic 1"}),
        ("pic0, my pic 1", {"pic0", "my pic 1"}),
        ("pic0 train", {"pic0", "train"}),
        ("a,b", {"a,b"}),
        (unicodedata.normalize("NFD", "café"), {"café"}),
        ("#1", {"#1"}),
        ("# pic0", set()),
    ],
)
def test_lines_are_read_as_meant(line, meant):
    assert find_names([line], STEMS) == (meant, [])


@pytest.mark.parametrize("line", ["pic", "pic00", "pic0 1", "Pic0", "pic0.txt", "my pic", "/"])
def test_names_without_a_match_are_reported(line):
    assert find_names(["pic0", line], STEMS) == ({"pic0"}, [line])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_from_other_systems(tmp_path, encoding, end):
    lines = ["my pic 1", "", "  café  ", "pic0", "pic0"]
    text = end.join(lines)
    if encoding == "utf-16-le":
        text = "\ufeff" + text
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    assert read_names([tmp_path / "list.txt"]) == ["my pic 1", "café", "pic0"]


def test_lists_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    for name in ("latin.txt", "missing.txt"):
        with pytest.raises(DataError, match=f"{name}: the list of names"):
            read_names([tmp_path / name])


def test_names_without_a_match_are_listed(folders):  # noqa: F811
    checked = check([folders], exclude=["a.jpg", "typo"], only=["b", "c", "nowhere"])
    assert [pair.stem for pair in checked.pairs] == ["b", "c"]
    assert checked.unknown == ["typo"]
    assert kinds(checked) == [(NOT_THERE, "nowhere")]


def test_names_that_look_alike_are_paired(tmp_path):
    names = ["café", "naïve", "Å"]
    for name in names:
        picture(tmp_path / "image" / f"{unicodedata.normalize('NFD', name)}.jpg")
        mask(tmp_path / "mask" / f"{unicodedata.normalize('NFC', name)}.png")
    pairs = check([Folders(tmp_path / "image", tmp_path / "mask")]).sound()
    assert [pair.stem for pair in pairs] == sorted(names)
    assert [pair.stem for pair in find_pairs(tmp_path / "image", tmp_path / "mask", exclude=["cafe\u0301"])] == [
        "naïve",
        "Å",
    ]


def test_other_files_beside_pictures_are_reported(folders):  # noqa: F811
    for name in ("notes.txt", "z.xmp", "Thumbs.db", ".DS_Store", "desktop.ini"):
        (folders.images / name).touch()
    (folders.images / "inner").mkdir()
    assert [path.name for path in others_in(folders.images)] == ["notes.txt", "z.xmp"]
    checked = check([folders])
    assert checked.notes == [f"{folders.images}: files that are no pictures: 2, e.g. notes.txt"]
    assert len(checked.sound()) == 5
