"""Known data sets: where their folders are found, what their masks mean, and fetching them."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from dgrl.commands.data import pairs_of
from dgrl.data import known_sets
from dgrl.data.checking import check
from dgrl.data.known_sets import KNOWN_SETS, Archive, folders_of, known_set
from dgrl.data.pairs import DataError
from dgrl.images.marking import save_marked
from tests.data.test_download import serving
from tests.helpers.networks import draw_photo

OFFICIAL = [(name, *layout) for name, known in KNOWN_SETS.items() for layout in known.layouts]


def write_set(base, images, masks, stems="ab", values=255):
    for folder in (images, masks):
        (base / folder).mkdir(parents=True, exist_ok=True)
    for stem in stems:
        Image.fromarray(draw_photo(20, 30)[0]).save(base / images / f"{stem}.jpg")
        Image.fromarray(np.full((20, 30), values, np.uint8)).save(base / masks / f"{stem}.png")


@pytest.mark.parametrize(("name", "images", "masks"), OFFICIAL)
@pytest.mark.parametrize("within", [True, False])
def test_official_layouts_are_found(tmp_path, name, images, masks, within):
    write_set(tmp_path / name if within else tmp_path, images, masks)
    folders = folders_of(name, tmp_path)
    assert (folders.name, folders.published) == (name, KNOWN_SETS[name].pairs)
    assert [pair.stem for pair in check([folders]).sound()] == ["a", "b"]


@pytest.mark.parametrize(("images", "masks"), known_sets.COMMON_LAYOUTS)
def test_mirrors_layouts_are_found(tmp_path, images, masks):
    write_set(tmp_path / "ECSSD", images, masks)
    assert len(check([folders_of("ecssd", tmp_path)]).sound()) == 2


def test_the_official_layout_wins(tmp_path):
    write_set(tmp_path, "image", "mask", stems="abc")
    write_set(tmp_path, "images", "ground_truth_mask")
    assert folders_of("ECSSD", tmp_path).masks.name == "ground_truth_mask"


def test_pascal_s_pixels_are_salient_if_more_than_half_voted_for_them(tmp_path):
    """Twelve people vote: 6 of 12 is 127.5, stored as 128; 7 of 12 is 149."""
    write_set(tmp_path, "datasets/imgs/pascal", "datasets/masks/pascal", "a")
    Image.fromarray(np.array([[0, 106, 128, 149, 255]], np.uint8)).save(tmp_path / "datasets/masks/pascal/a.png")
    Image.fromarray(draw_photo(20, 30)[0][:1, :5]).save(tmp_path / "datasets/imgs/pascal/a.jpg")
    [pair] = check([folders_of("PASCAL-S", tmp_path)]).sound()
    assert pair.truth().tolist() == [[0, 0, 0, 1, 1]]


def test_unknown_sets_and_absent_ones_are_explained(tmp_path):
    with pytest.raises(DataError, match=r"no known data set 'COCO'; choose from DUTS-TR, DUTS-TE, ECSSD, PASCAL-S"):
        known_set("COCO")
    with pytest.raises(DataError, match=r"pictures in DUTS-TR-Image, masks in DUTS-TR-Mask .*--download downloads it"):
        folders_of("DUTS-TR", tmp_path)
    with pytest.raises(DataError) as raised:
        folders_of("HKU-IS", tmp_path)
    assert "--download" not in str(raised.value)


@pytest.mark.parametrize("name", ["HKU-IS", "SOD"])
def test_sets_without_a_lasting_address_say_so(tmp_path, name):
    with pytest.raises(DataError, match=f"{name} cannot be downloaded: .*; see http"):
        folders_of(name, tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


def test_checksums_are_well_formed():
    for known in KNOWN_SETS.values():
        for archive in known.archives:
            if archive.checksum is not None:
                algorithm, digest = archive.checksum.split(":")
                assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
                int(digest, 16)


def zipped(folder, base):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(base))
    return buffer.getvalue()


@pytest.mark.parametrize("together", [True, False])
def test_download_makes_a_set_that_is_found(tmp_path, monkeypatch, together):
    """One archive that holds a folder of the set's name, as DUTS; or one of pictures and one of masks, as ECSSD."""
    source = tmp_path / "source" / "ECSSD"
    write_set(source, "images", "ground_truth_mask", stems="abc")
    if together:
        files = {"/all.zip": zipped(source, source.parent)}
    else:
        files = {f"/{folder.name}.zip": zipped(folder, source) for folder in source.iterdir()}
    with serving(files) as server:
        archives = tuple(Archive(server.url + path) for path in files)
        monkeypatch.setitem(KNOWN_SETS, "ECSSD", dataclasses.replace(KNOWN_SETS["ECSSD"], archives=archives))
        root = tmp_path / "data"
        lines = []
        assert len(check([folders_of("ECSSD", root, download=True, say=lines.append)]).sound()) == 3
        assert sum("checksum is unknown" in line for line in lines) == len(files)
        asked = len(server.requests)
        pairs = pairs_of(None, None, data=[f"ECSSD={root}"], download=True)
        assert len(pairs) == 3
        assert len(server.requests) == asked, "it was fetched again"
    assert (root / "ECSSD" / "images").is_dir()
    assert not list(root.glob(".*.partial"))


def test_download_does_not_overwrite_other_files(tmp_path):
    (tmp_path / "ECSSD").mkdir()
    (tmp_path / "ECSSD" / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="exists and is something else"):
        folders_of("ECSSD", tmp_path, download=True)
    assert (tmp_path / "ECSSD" / "mine.txt").read_text() == "keep"


def test_options_that_do_not_go_together(tmp_path):
    write_set(tmp_path, "image", "mask")
    with pytest.raises(DataError, match="2 folders of pictures but 1 of masks"):
        pairs_of([tmp_path, tmp_path], [tmp_path])
    with pytest.raises(DataError, match="name pictures and masks with --images"):
        pairs_of(None, None)
    with pytest.raises(DataError, match=r"--data ecssd: give it as NAME=ROOT, e\.g\. ECSSD=data"):
        pairs_of(None, None, data=["ecssd"])
    (tmp_path / "list.txt").write_text("a\n")
    (tmp_path / "none.txt").write_text("")
    both = {"images": [tmp_path / "image"], "masks": [tmp_path / "mask"]}
    assert [pair.stem for pair in pairs_of(**both, only=[tmp_path / "list.txt"])] == ["a"]
    assert [pair.stem for pair in pairs_of(**both, without=[tmp_path / "list.txt"])] == ["b"]
    with pytest.raises(DataError, match="no pictures are left"):
        pairs_of(**both, only=[tmp_path / "none.txt"])
    with pytest.raises(DataError, match="list of names cannot be read"):
        pairs_of(**both, only=[tmp_path / "missing.txt"])


def test_a_name_to_exclude_without_a_match_is_an_error(tmp_path, capsys):
    """Also with --skip-bad: what was meant would be trained on."""
    write_set(tmp_path, "image", "mask")
    both = {"images": [tmp_path / "image"], "masks": [tmp_path / "mask"]}
    (tmp_path / "list.txt").write_bytes("\ufeffa.jpg\r\nno such one\r\n".encode())
    for skip_bad in (False, True):
        with pytest.raises(DataError, match=r"match no picture: no such one$"):
            pairs_of(**both, without=[tmp_path / "list.txt"], skip_bad=skip_bad)
    with pytest.raises(DataError, match="--skip-bad"):
        pairs_of(**both, only=[tmp_path / "list.txt"])
    assert [pair.stem for pair in pairs_of(**both, only=[tmp_path / "list.txt"], skip_bad=True)] == ["a"]


def test_unusual_reading_is_reported(tmp_path, capsys):
    write_set(tmp_path, "image", "mask")
    for path in (tmp_path / "mask").iterdir():
        with Image.open(path) as mask:
            white = Image.new("RGB", mask.size, "white")
            white.putalpha(Image.linear_gradient("L").resize(mask.size))
        white.save(path)
    (tmp_path / "image" / "notes.txt").touch()
    pairs_of([tmp_path / "image"], [tmp_path / "mask"])
    lines = capsys.readouterr().out.splitlines()
    assert "notes.txt" in lines[0]
    assert "alpha channel" in lines[1]


def test_maps_beside_pictures_are_no_pictures(tmp_path, capsys):
    write_set(tmp_path, "image", "mask")
    for name in ("a.png", "b.png", "a_cutout.png"):
        save_marked(Image.new("L", (9, 9), 255), tmp_path / "image" / name)
    assert [pair.stem for pair in pairs_of([tmp_path / "image"], [tmp_path / "mask"])] == ["a", "b"]
    assert "maps and cut-outs that are no pictures: 3" in capsys.readouterr().out


def test_bad_pairs_stop_or_are_skipped(tmp_path, caplog, capsys):
    write_set(tmp_path, "image", "mask")
    (tmp_path / "mask" / "a.png").unlink()
    both = {"images": [tmp_path / "image"], "masks": [tmp_path / "mask"]}
    with pytest.raises(DataError, match="--skip-bad"):
        pairs_of(**both)
    assert [pair.stem for pair in pairs_of(**both, skip_bad=True)] == ["b"]


def test_incomplete_data_sets_are_reported(tmp_path, capsys):
    write_set(tmp_path, "image", "mask")
    pairs_of(None, None, data=[f"ECSSD={tmp_path}"])
    assert capsys.readouterr().out.endswith("ECSSD: 2 of the 1000 published pairs\n")
