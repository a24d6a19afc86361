"""`dgrl detect` on what people have: folders of all kinds, again and again; standard input; backgrounds."""

import io
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgrl.commands.photos import find_photos, name_maps
from dgrl.images.marking import is_marked
from tests.commands.test_cli import checkpoint, dgrl, files, here, photo  # noqa: F401
from tests.helpers.hostile import encoded, wide_profile
from tests.helpers.networks import draw_photo

# ruff: noqa: F811


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.mark.parametrize("folder", [["."], ["./a.jpg", "./b.png"]])
def test_any_number_of_runs_into_their_own_folder(dgrl, here, folder):
    for name in ("a.jpg", "b.png"):
        photo(here / name)
    before = contents(here)
    counts = []
    for _ in range(3):
        arguments = ["."] if folder == ["."] else sorted(str(path) for path in here.iterdir())
        code, _, err = dgrl("detect", *arguments, "-o", here, "--cutout")
        assert code == 0
        assert all("earlier run" in line for line in err)
        counts.append(files(here))
    assert counts[0] == counts[1] == counts[2]
    assert len(counts[0]) == 6
    assert {name: content for name, content in contents(here).items() if name in before} == before


def test_pictures_beside_a_photo_are_not_overwritten(dgrl, here):
    """Pictures that were not named are not overwritten either."""
    photo(here / "a.jpg")
    photo(here / "a.png")
    before = contents(here)
    for _ in range(2):
        assert dgrl("detect", "a.jpg", "-o", ".")[0] == 0
        assert files(here) == ["a.jpg", "a.jpg.png", "a.png"]
    assert contents(here) | before == contents(here)


def test_only_maps_is_no_pictures(dgrl, here):
    photo(here / "in" / "a.jpg")
    assert dgrl("detect", "in", "-o", "out")[0] == 0
    code, _, err = dgrl("detect", "out")
    assert code == 2
    assert "skipped, maps and cut-outs of an earlier run: 1" in err[0]
    assert "no pictures in this folder" in err[1]


def test_a_folder_with_everything(dgrl, here):
    """One run writes a map for each picture and a line for each other file."""
    folder = here / "in"
    done = ["a.jpg", "b.jfif", "c.jpe", "d.jp2", "e.heic", "f.png", "g.JPG_large", "h", "i.avif", "j.mpo"]
    image = Image.fromarray(draw_photo(40, 60)[0])
    folder.mkdir()
    for name in done:
        kind = {".jp2": "JPEG2000", ".heic": "HEIF", ".png": "PNG", ".avif": "AVIF"}.get(Path(name).suffix, "JPEG")
        (folder / name).write_bytes(encoded(image, kind))
    heic = folder / "phone.jpg"
    heic.write_bytes(encoded(image, "HEIF", icc_profile=wide_profile()))
    (folder / "link.jpg").symlink_to(heic.name)  # the same photo again
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "x.jpg").mkdir()
    (folder / "inner").mkdir()
    (folder / "empty.jpg").touch()
    for name in ("raw.NEF", "drawing.svg", "notes.txt", "clip.mp4", "a.xmp"):
        (folder / name).write_bytes(b"II*\0 something else")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._a.jpg"):
        (folder / name).touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
    code, out, err = dgrl("detect", "in", "-o", folder / "maps")
    assert code == 2
    maps = {Path(line.split(" -> ")[1]).stem for line in out if " -> " in line}
    # The link comes first of the two; they are one photo.
    assert maps == {Path(name).stem for name in done} | {"link"}
    assert {path.stem for path in (folder / "maps").iterdir()} == maps
    refused = ["dangling.jpg", "loop.png", "x.jpg", "empty.jpg", "raw.NEF", "drawing.svg"]
    refused += ["pipe.png"] if hasattr(os, "mkfifo") else []
    named = [*refused, "dangling", "inner", "notes.txt", "clip.mp4", "a.xmp"]
    assert sorted(line.removeprefix("dgrl: ").split(": ")[0] for line in err) == sorted(
        str(Path("in", name)) for name in named
    )


def test_many_other_files_are_counted(dgrl, here):
    photo(here / "in" / "a.jpg")
    for number in range(30):
        (here / "in" / f"{number:02d}.txt").touch()
    code, _, err = dgrl("detect", "in")
    assert code == 0
    assert len(err) == 21
    assert err[-1].endswith("skipped, 10 more that are no pictures")


@pytest.mark.parametrize("name", ["raw.dng", "link.jpg", "plan.svg"])
def test_named_files_that_cannot_be_read(dgrl, here, name):
    if name.startswith("link"):
        Path(name).symlink_to("gone.jpg")
    else:
        Path(name).write_bytes(b"II*\0")
    code, _, err = dgrl("detect", name)
    assert (code, len(err)) == (2, 1)
    assert err[0].startswith(f"dgrl: {name}: ")


def test_names_too_long_for_a_cut_out(dgrl, here):
    folder = here / "in"
    long = "x" * 251 + ".jpg"
    for name in ("a.jpg", long, "z.jpg"):
        photo(folder / name)
    code, _, err = dgrl("detect", "in", "-o", "out", "--cutout")
    assert (code, len(err)) == (2, 1)
    assert "File name too long" in err[0]
    assert files(here / "out") == ["a.png", "a_cutout.png", "x" * 251 + ".png", "z.png", "z_cutout.png"]
    code, _, err = dgrl("detect", "in", "-o", "maps")
    assert (code, err) == (0, [])


def test_a_folder_where_a_map_should_be(dgrl, here):
    for name in ("a.jpg", "b.jpg"):
        photo(here / name)
    (here / "out" / "a.png" / "inner").mkdir(parents=True)
    code, _, err = dgrl("detect", "a.jpg", "b.jpg", "-o", "out")
    assert (code, len(err)) == (2, 1)
    assert files(here / "out") == ["b.png"]


def test_maps_of_an_earlier_run_may_be_read_only(dgrl, here):
    photo(here / "a.jpg").chmod(0o444)
    assert dgrl("detect", "a.jpg")[0] == 0
    Path("saliency/a.png").chmod(0o444)
    assert dgrl("detect", "a.jpg")[0] == 0


def test_names_that_look_alike_have_different_maps(tmp_path):
    photos = [tmp_path / f"{unicodedata.normalize(form, 'café')}.jpg" for form in ("NFC", "NFD")]
    maps = name_maps(photos, tmp_path / "out")
    assert len({unicodedata.normalize("NFC", str(path)) for path in maps.values()}) == 2


def test_a_link_is_not_overwritten_by_the_map_of_its_photo(here):
    photo(here / "elsewhere" / "x.png")
    (here / "a.png").symlink_to(here / "elsewhere" / "x.png")
    assert name_maps([Path("a.png")], Path()) == {Path("a.png"): Path("a.png.png")}


def test_find_photos_ignores_the_folder_of_results(here):
    photo(here / "a.jpg")
    (here / "saliency").mkdir()
    reports = []
    assert find_photos([here], reports.append, reports.append, here / "saliency") == [here / "a.jpg"]
    assert reports == []


def test_transparent_photos(dgrl, here):
    """The network sees a white logo on transparency, and invisible parts stay invisible."""
    alpha = np.zeros((40, 60), np.uint8)
    alpha[10:30, 15:45] = 200
    Image.fromarray(np.dstack([np.full((40, 60, 3), 255, np.uint8), alpha])).save("logo.png")
    assert dgrl("detect", "logo.png", "--cutout", "--precision", "fp32")[0] == 0
    with Image.open("saliency/logo_cutout.png") as cut, Image.open("saliency/logo.png") as grey:
        pixels = np.asarray(cut)
        assert np.array_equal(pixels[:, :, 3], np.minimum(alpha, np.asarray(grey)))
        assert (pixels[:, :, :3] == 255).all()
        seen = np.where(alpha > 0, 200, 0).astype(np.uint8)
        Image.fromarray(seen).save("seen.png")
        assert dgrl("detect", "seen.png", "--precision", "fp32")[0] == 0
        with Image.open("saliency/seen.png") as expected:
            assert np.abs(np.asarray(grey).astype(int) - np.asarray(expected)).max() <= 1


def test_backgrounds_thresholds_and_trimming(dgrl, here):
    photo(here / "a.png")
    Image.new("RGB", (5, 5), "blue").save("ground.png")
    for option, mode in ((("--background", "white"), "RGB"), (("--background", "ground.png"), "RGB"),
                         (("--background", "blur"), "RGB"), (("--background", "#00ff0000"), "RGBA"),
                         (("--trim",), "RGBA")):  # fmt: skip
        assert dgrl("detect", "a.png", *option)[0] == 0
        with Image.open("saliency/a_cutout.png") as cut:
            assert cut.mode == mode
        assert is_marked(Path("saliency/a_cutout.png"))
    code, _, _ = dgrl("detect", "a.png", "--threshold", 0.5, "--cutout", "--precision", "fp32")
    assert code == 0
    with Image.open("saliency/a.png") as grey, Image.open("saliency/a_cutout.png") as cut:
        assert set(np.unique(grey)) == {0, 255}
        assert np.array_equal(np.asarray(cut)[:, :, 3], np.asarray(grey))
        box = grey.getbbox()
    assert dgrl("detect", "a.png", "--threshold", 0.5, "--trim", "--background", "red", "--precision", "fp32")[0] == 0
    with Image.open("saliency/a_cutout.png") as cut:
        assert cut.size == (box[2] - box[0], box[3] - box[1])


def test_trimming_an_empty_result_is_reported(dgrl, here):
    photo(here / "a.png")
    code, _, err = dgrl("detect", "a.png", "--threshold", 1, "--trim")
    assert (code, len(err)) == (0, 1)
    assert "nothing is found" in err[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--background", "nonsense"), "neither a colour"),
        (("--threshold", "1.5"), "'--threshold'"),
        (("b.png", "-o", "-"), "one picture, not 2"),
    ],
)
def test_impossible_questions_are_refused(dgrl, here, options, reason):
    for name in ("a.png", "b.png"):
        photo(here / name)
    code, _, err = dgrl("detect", "a.png", *options)
    assert (code, len(err)) == (1, 1)
    assert reason in err[0]


def piped(checkpoint, content, *options):
    command = [sys.executable, "-m", "dgrl", "detect", *options, "--device", "cpu"]
    environment = os.environ | {"DGRL_WEIGHTS": str(checkpoint), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, input=content, capture_output=True, env=environment, check=False)


@pytest.mark.slow
def test_standard_input_and_output(checkpoint, here):
    image = Image.fromarray(draw_photo(40, 60)[0])
    done = piped(checkpoint, encoded(image, "HEIF"), "-", "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(io.BytesIO(done.stdout)) as grey:
        assert (grey.format, grey.mode, grey.size) == ("PNG", "L", (60, 40))
    done = piped(checkpoint, encoded(image, "JPEG"), "-", "-o", "-", "--cutout")
    with Image.open(io.BytesIO(done.stdout)) as cut:
        assert (cut.mode, cut.size) == ("RGBA", (60, 40))
    done = piped(checkpoint, b"no picture", "-", "-o", "-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"dgrl: standard input: this is not a picture of any kind known here\n"
    assert files(here) == []
    done = piped(checkpoint, encoded(image, "JPEG"), "-", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert files(here) == ["out/stdin.png"]
