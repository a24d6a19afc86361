"""The report of what is wrong with a folder of pictures and one of masks."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageFilter

from dgrl.data import checking
from dgrl.data.checking import Folders, Problem, check
from dgrl.data.pairs import DataError, find_pairs
from tests.helpers.networks import draw_photo, write_pairs


def picture(path, size=(30, 20), orientation=None):
    path.parent.mkdir(exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x112] = orientation
    Image.fromarray(draw_photo(size[1], size[0])[0]).save(path, exif=exif)
    return path


def mask(path, size=(30, 20), value=255, mode="L"):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full(size[::-1], value, np.uint8)).convert(mode).save(path)
    return path


@pytest.fixture
def folders(tmp_path):
    """Write five sound pairs, a to e."""
    for stem in "abcde":
        picture(tmp_path / "image" / f"{stem}.jpg")
        mask(tmp_path / "mask" / f"{stem}.png")
    return Folders(tmp_path / "image", tmp_path / "mask")


def kinds(checked):
    return [(problem.kind, problem.stem) for problem in checked.problems]


def test_sound_pairs_have_no_problems(folders):
    checked = check([folders])
    assert [pair.stem for pair in checked.pairs] == list("abcde")
    assert checked.problems == []
    assert checked.sound() is checked.pairs


def test_everything_that_is_wrong_is_in_one_report(folders):
    images, masks = folders.images, folders.masks
    picture(images / "lonely.jpg")
    mask(masks / "orphan.png")
    mask(masks / "a.bmp")
    (images / "b.jpg").write_bytes(b"")
    mask(masks / "c.png", size=(20, 30))
    mask(masks / "d.png", value=90)
    checked = check([folders])
    assert [pair.stem for pair in checked.pairs] == ["e"]
    assert sorted(kinds(checked)) == sorted(
        [
            (checking.NO_MASK, "lonely"),
            (checking.NO_PICTURE, "orphan"),
            (checking.SHARED, "a"),
            (checking.UNREADABLE, "b"),
            (checking.SIZES, "c"),
            (checking.EMPTY, "d"),
        ]
    )
    with pytest.raises(DataError) as raised:
        checked.sound()
    lines = str(raised.value).splitlines()
    assert lines[0] == "problems: 6; sound pairs: 1"
    assert f"  {masks / 'c.png'}: 20×30, the picture 30×20" in lines
    assert f"  {images / 'b.jpg'}: the file is empty" in lines
    assert f"  {masks / 'a.bmp'}, a.png" in lines
    assert len(lines) == 1 + 2 * 6


def test_long_reports_are_cut_but_count_all():
    problems = [Problem(checking.NO_MASK, str(i), f"{i}.jpg") for i in range(25)]
    lines = checking.Checked([], problems).report().splitlines()
    assert lines[1] == "pictures without a mask: 25"
    assert lines[-2:] == ["  9.jpg", "  and 15 more"]


def test_pictures_cut_short_are_found(folders):
    for name in ("a.jpg", "b.jpg"):
        path = folders.images / name
        path.write_bytes(path.read_bytes()[:-30])
    picture(folders.images / "c.png")
    (folders.images / "c.jpg").unlink()
    path = folders.images / "c.png"
    path.write_bytes(path.read_bytes()[:-40])
    assert kinds(check([folders])) == [(checking.UNREADABLE, stem) for stem in "abc"]


def test_pngs_with_a_flipped_bit_are_found(folders):
    """Files with a valid header and a damaged end are found before a training reads them."""
    (folders.images / "c.jpg").unlink()
    path = folders.images / "c.png"
    picture(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 1
    path.write_bytes(content)
    assert kinds(check([folders])) == [(checking.UNREADABLE, "c")]


def test_bytes_after_the_end_of_a_picture_do_no_harm(folders):
    for extra, name in ((b"\0" * 20, "a.jpg"), (b"x" * 500, "b.jpg")):
        with (folders.images / name).open("ab") as file:
            file.write(extra)
    assert check([folders]).problems == []


def test_pictures_that_lie_on_their_side_fit_upright_masks(folders):
    picture(folders.images / "a.jpg", size=(20, 30), orientation=6)
    picture(folders.images / "b.jpg", size=(30, 20), orientation=6)
    assert kinds(check([folders])) == [(checking.SIZES, "b")]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA", "I;16"])
def test_masks_of_every_kind(folders, mode):
    if mode == "I;16":
        Image.fromarray(np.full((20, 30), 65535, np.uint16)).save(folders.masks / "a.png")
        Image.fromarray(np.full((20, 30), 300, np.uint16)).save(folders.masks / "b.png")
    else:
        mask(folders.masks / "a.png", mode=mode)
        mask(folders.masks / "b.png", value=0, mode=mode)
    assert kinds(check([folders])) == [(checking.EMPTY, "b")]


def test_the_folders_threshold_is_used(folders):
    mask(folders.masks / "a.png", value=128)
    assert check([folders]).problems == []
    votes = Folders(folders.images, folders.masks, threshold=128)
    assert kinds(check([votes])) == [(checking.EMPTY, "a")]


def test_only_and_exclude_silence_problems_too(folders):
    picture(folders.images / "lonely.jpg")
    (folders.images / "b.jpg").write_bytes(b"")
    assert [pair.stem for pair in check([folders], only={"a", "c"}).sound()] == ["a", "c"]
    assert [pair.stem for pair in check([folders], exclude={"b", "lonely"}).sound()] == list("acde")
    listed = check([folders], only={"a", "nowhere", "lonely", "gone"}, exclude={"gone"})
    assert kinds(listed) == [(checking.NO_MASK, "lonely"), (checking.NOT_THERE, "nowhere")]


def test_pictures_and_masks_in_one_folder(tmp_path):
    picture(tmp_path / "Imgs" / "a.jpg")
    mask(tmp_path / "Imgs" / "a.png")
    together = Folders(tmp_path / "Imgs", tmp_path / "Imgs", {".jpg"}, {".png"})
    [pair] = check([together]).sound()
    assert (pair.image.suffix, pair.mask.suffix) == (".jpg", ".png")


def test_several_folders_and_missing_ones(folders, tmp_path):
    picture(tmp_path / "more" / "a.jpg")
    mask(tmp_path / "more masks" / "a.png")
    more = Folders(tmp_path / "more", tmp_path / "more masks")
    pairs = check([folders, more]).sound()
    assert [pair.stem for pair in pairs] == [*"abcde", "a"]
    assert (folders.count(pairs), more.count(pairs)) == (5, 1)
    with pytest.raises(DataError, match="nowhere is not a folder"):
        check([Folders(tmp_path / "nowhere", folders.masks)])


def test_sound_pairs_are_judged_without_reading_pictures_in_full(folders, monkeypatch):
    monkeypatch.setattr(checking, "read_image", lambda path: pytest.fail(f"{path} was read in full"))
    assert len(check([folders]).sound()) == 5


def test_swapped_folders_are_named(tmp_path):
    write_pairs(tmp_path, 3)
    swapped = check([Folders(tmp_path / "mask", tmp_path / "image")])
    assert "are the folders of pictures and masks swapped" in swapped.report()
    write_pairs(tmp_path / "one", 3)
    photo = next((tmp_path / "one" / "image").iterdir())
    Image.open(photo).convert("L").save(next((tmp_path / "one" / "mask").glob(f"{photo.stem}.*")))
    assert "masks swapped" not in check([Folders(tmp_path / "one" / "image", tmp_path / "one" / "mask")]).report()


def test_masks_that_are_photos_are_told_from_soft_and_drawn_ones(tmp_path):
    for pair in write_pairs(tmp_path / "drawn", 4):
        photo = Image.open(pair.image)
        photo.convert("L").save(tmp_path / "drawn" / "mask" / pair.mask.name)
    grey = check([Folders(tmp_path / "drawn" / "image", tmp_path / "drawn" / "mask")])
    assert not grey.pairs
    assert {problem.kind for problem in grey.problems} == {"masks that are photos"}
    assert "it has the grey levels of a photo" in grey.report()
    same = check([Folders(tmp_path / "drawn" / "image", tmp_path / "drawn" / "image")])
    assert "it is the picture itself" in same.report()
    pairs = write_pairs(tmp_path / "soft", 3)
    for pair in pairs:
        soft = Image.open(pair.mask).filter(ImageFilter.GaussianBlur(3))
        soft.save(pair.mask)
    assert len(check([Folders(pairs[0].image.parent, pairs[0].mask.parent)]).pairs) == 3


def test_odd_masks_and_copies_are_remarked_on(tmp_path):
    pairs = write_pairs(tmp_path / "drawn", 4)
    Image.new("L", (80, 64), 255).save(pairs[0].mask)
    tiny = np.zeros((64, 80), np.uint8)
    tiny[3, 3] = 255
    Image.fromarray(tiny).save(pairs[1].mask)
    shutil.copy(pairs[2].image, pairs[3].image)
    result = check([Folders(pairs[0].image.parent, pairs[0].mask.parent)])
    assert len(result.pairs) == 4
    few, many, copies = result.remarks
    assert "less than 0.1% of their picture: 1" in few
    assert "more than 95% of their picture: 1" in many
    assert "copies of others: 1" in copies


def test_names_that_do_not_match_are_shown_beside_each_other(tmp_path):
    pairs = write_pairs(tmp_path / "drawn", 2)
    for pair in pairs:
        pair.mask.rename(pair.mask.with_name(f"{pair.stem}_mask.png"))
    result = check([Folders(pairs[0].image.parent, pairs[0].mask.parent)])
    assert "pictures are called like 000.png, masks like 000_mask.png" in result.notes[0]
    with pytest.raises(DataError, match=r"000_mask\.png is there, but masks need the names"):
        find_pairs(str(pairs[0].image.parent), str(pairs[0].mask.parent))
    with pytest.raises(DataError, match=r"is not a folder; did you mean .*image\?"):
        find_pairs(tmp_path / "drawn" / "imges", tmp_path / "drawn" / "mask")
