"""`dgrl detect`: prompts, folders within folders, runs that go on, formats, JSON, and what is kept of a map."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from dgrl import DGRL, __version__, cli
from dgrl.commands.photos import find_photos
from dgrl.images.cutouts import largest_part
from dgrl.images.marking import is_marked
from tests.commands.test_cli import checkpoint, dgrl, files, here, photo  # noqa: F401
from tests.helpers.networks import draw_photo

# ruff: noqa: F811


def grey(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L")).astype(float)


def test_prompts(dgrl, here, checkpoint):
    photo(here / "a.png")
    model = DGRL.from_pretrained(checkpoint)
    for option, value, given in (
        ("--box", "5,4,30,36", {"box": (5, 4, 30, 36)}),
        ("--point", "20,15", {"point": (20, 15)}),
    ):
        assert dgrl("detect", "a.png", option, value, "--precision", "fp32")[0] == 0
        result = grey("saliency/a.png")
        assert np.abs(result - 255 * model.detect("a.png", **given)).max() < 1.01
        assert np.abs(result - 255 * model.detect("a.png")).max() > 3


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("a.png", "--box", "1,2,3"), "not X0,Y0,X1,Y1"),
        (("a.png", "--point", "here"), "not X,Y"),
        (("a.png", "--point", "3,3", "--box", "1,2,3,4"), "one prompt"),
        (("a.png", "b.png", "--box", "1,2,3,4"), "a prompt is for one photo, not 2"),
        (("a.png", "--box", "9,2,3,4"), "has no area"),
        (("a.png", "--box", "70,0,90,9"), "outside the photo of 60×40"),
        (("a.png", "--point", "60,3"), "outside the photo"),
        (("a.png", "--format", "gif"), "not one of png, webp, jpg"),
        (("a.png", "--format", "jpg", "--cutout"), "no transparency"),
        (("a.png", "-o", "out.jpg", "--format", "png"), "is no png file"),
        (("a.png", "-o", "out.bmp"), "PNG, WebP or JPEG"),
        (("a.png", "-o", "-", "--json"), "not both"),
        (("a.png", "--trim=-3"), "--trim"),
    ],
)
def test_impossible_questions_are_refused(dgrl, here, options, reason):
    for name in ("a.png", "b.png"):
        photo(here / name)
    code, _, err = dgrl("detect", *options)
    assert (code, len(err)) == (1, 1)
    assert reason in err[0]
    assert files(here) == ["a.png", "b.png"]


def test_folders_within_folders_keep_their_tree(dgrl, here):
    for name in ("in/a.jpg", "in/one/a.jpg", "in/one/two/b.png", "in/.hidden/c.png", "in/out/d.png"):
        photo(here / name)
    (here / "in" / "one" / "notes.txt").touch()
    (here / "in" / "loop").symlink_to(here / "in")
    code, _, err = dgrl("detect", "in", "-o", "in/out", "--recursive", "--cutout")
    assert code == 0
    assert files(here / "in" / "out") == [
        *("a.png", "a_cutout.png", "d.png", "one/a.png", "one/a_cutout.png", "one/two/b.png", "one/two/b_cutout.png"),
    ]
    assert sorted(line.split(": ")[1] for line in err) == ["in/loop", "in/one/notes.txt"]
    again = dgrl("detect", "in", "-o", "elsewhere", "-r")
    assert again[0] == 0
    assert "earlier run: 6" in again[2][-1] or any("earlier run: 6" in line for line in again[2])
    assert files(here / "elsewhere") == ["a.png", "one/a.png", "one/two/b.png", "out/d.png"]


def test_results_beside_photos_in_a_tree_overwrite_none(dgrl, here):
    for name in ("in/a.png", "in/one/b.png"):
        photo(here / name)
    before = {name: (here / name).read_bytes() for name in ("in/a.png", "in/one/b.png")}
    for _ in range(2):
        assert dgrl("detect", "in", "-o", "in", "-r")[0] == 0
        assert files(here / "in") == ["a.png", "a.png.png", "one/b.png", "one/b.png.png"]
    assert {name: (here / name).read_bytes() for name in before} == before


def test_a_run_goes_on_where_it_stopped(dgrl, here):
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        photo(here / name)
    assert dgrl("detect", "in", "-o", "out", "--cutout")[0] == 0
    (here / "out" / "b_cutout.png").unlink()
    (here / "out" / "c.png").unlink()
    kept = (here / "out" / "a.png").stat().st_mtime_ns
    code, out, err = dgrl("detect", "in", "-o", "out", "--cutout", "--skip-existing")
    assert (code, err) == (0, [])
    assert [line for line in out if " -> " in line] == ["in/b.png -> out/b.png", "in/c.png -> out/c.png"]
    assert "results are there: 1" in out[0]
    assert (here / "out" / "a.png").stat().st_mtime_ns == kept
    assert len(files(here / "out")) == 6
    code, out, _ = dgrl("detect", "in", "-o", "out", "--cutout", "--skip-existing")
    assert (code, out) == (0, ["photos left out because their results are there: 3"])


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("webp", "WEBP"), ("jpg", "JPEG")])
def test_formats(dgrl, here, suffix, kind):
    photo(here / "a.png")
    ground = ("--background", "white") if suffix == "jpg" else ()
    assert dgrl("detect", "a.png", "--format", suffix, "--cutout", *ground)[0] == 0
    assert files(here / "saliency") == [f"a.{suffix}", f"a_cutout.{suffix}"]
    for name in files(here / "saliency"):
        with Image.open(here / "saliency" / name) as image:
            assert (image.format, image.size) == (kind, (60, 40))
        assert is_marked(here / "saliency" / name)
    dgrl("detect", "a.png", "-o", "plain")
    assert np.abs(grey(f"saliency/a.{suffix}") - grey("plain/a.png")).mean() < 4
    assert find_photos([here / "saliency"], [].append) == []  # maps are never taken for photos


def test_the_cut_out_can_be_the_only_output(dgrl, here):
    photo(here / "a.jpg")
    assert dgrl("detect", "a.jpg", "--cutout-only", "-o", "out")[0] == 0
    assert files(here / "out") == ["a_cutout.png"]
    for name, mode in (("cut.png", "RGBA"), ("cut.webp", "RGBA")):
        assert dgrl("detect", "a.jpg", "--cutout-only", "-o", name)[0] == 0
        with Image.open(name) as image:
            assert (image.mode, image.size) == (mode, (60, 40))
    assert files(here) == ["a.jpg", "cut.png", "cut.webp", "out/a_cutout.png"]
    assert not is_marked(here / "a.jpg")


def test_invert_and_largest(dgrl, here):
    photo(here / "a.png")
    assert dgrl("detect", "a.png", "-o", "plain.png", "--precision", "fp32")[0] == 0
    assert dgrl("detect", "a.png", "-o", "other.png", "--invert", "--precision", "fp32")[0] == 0
    assert dgrl("detect", "a.png", "-o", "largest.png", "--largest", "--precision", "fp32")[0] == 0
    plain = grey("plain.png")
    assert np.abs(255 - plain - grey("other.png")).max() <= 1
    assert np.abs(grey("largest.png") - np.rint(255 * largest_part((plain / 255).astype(np.float32)))).max() <= 1


def test_the_largest_part_keeps_its_soft_edge():
    saliency = np.zeros((40, 60), np.float32)
    saliency[5:35, 5:25] = 0.9
    saliency[5:35, 25:28] = 0.3
    saliency[10:20, 40:50] = 0.8
    kept = largest_part(saliency)
    np.testing.assert_array_equal(kept[:, :30], saliency[:, :30])
    assert not kept[:, 36:].any()
    np.testing.assert_array_equal(largest_part(kept), kept)


@pytest.mark.parametrize(
    ("words", "margin"), [(("--trim", "a.png"), 0), (("a.png", "--trim"), 0), (("a.png", "--trim", "7"), 7)]
)
def test_trim_with_a_margin(dgrl, here, words, margin):
    photo(here / "a.png", (90, 60))
    dgrl("detect", "a.png", "--precision", "fp32")
    threshold = np.quantile(grey("saliency/a.png"), 0.99) / 255
    code, out, _ = dgrl("detect", *words, "--threshold", threshold, "--json", "--precision", "fp32")
    assert code == 0
    left, top, right, bottom = json.loads(out[0])["box"]
    with Image.open("saliency/a_cutout.png") as cut:
        assert cut.size == (
            min(right + margin, 90) - max(left - margin, 0),
            min(bottom + margin, 60) - max(top - margin, 0),
        )


def test_json_lines(dgrl, here):
    for name in ("in/a.png", "in/b.png"):
        photo(here / name)
    (here / "in" / "broken.png").touch()
    code, out, err = dgrl(
        "detect", "in", "-o", "out", "--json", "--cutout", "--threshold", "0.5", "--precision", "fp32"
    )
    assert (code, len(err)) == (2, 1)
    lines = [json.loads(line) for line in out]
    assert [line["photo"] for line in lines] == ["in/a.png", "in/b.png"]
    for line in lines:
        result = grey(line["map"]) > 127
        rows, columns = np.nonzero(result)
        assert line["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert line["area"] == pytest.approx(result.mean(), abs=1e-5)
        assert line["mean_saliency"] == pytest.approx(grey(line["map"]).mean() / 255, abs=1e-3)
        assert (line["width"], line["height"]) == (60, 40)
        assert Path(line["cutout"]).is_file()
    assert json.loads(dgrl("detect", "in/a.png", "--json", "--threshold", "1")[1][0])["box"] is None


def test_quiet_only_prints_errors(dgrl, here):
    photo(here / "a.png")
    code, out, err = dgrl("detect", "a.png", "gone.png", "--quiet")
    assert (code, out, len(err)) == (2, [], 1)


def test_an_animation_says_that_one_frame_was_used(dgrl, here):
    frames = [Image.fromarray(draw_photo(40, 60, seed=seed)[0]) for seed in range(3)]
    for name in ("a.gif", "b.webp", "c.png", "d.tif"):
        frames[0].save(here / name, save_all=True, append_images=frames[1:])
        with Image.open(here / name) as image:
            assert len(list(ImageSequence.Iterator(image))) == 3
    frames[0].save(here / "still.gif")
    code, _, err = dgrl("detect", "a.gif", "b.webp", "c.png", "d.tif", "still.gif")
    assert code == 0
    assert [line.split(": ")[1] for line in err] == ["a.gif", "b.webp", "c.png", "d.tif"]
    assert all("only the first was used" in line for line in err)


def test_version():
    completed = subprocess.run([sys.executable, "-m", "dgrl", "--version"], capture_output=True, text=True, check=True)
    assert completed.stdout == f"dgrl {__version__}\n"
    assert cli.with_values(["--trim", "a.png", "--trim"]) == ["--trim=0", "a.png", "--trim=0"]


def commands_for_users_of_rembg():
    """Return the right column of the table in docs/command-line.md."""
    page = Path(__file__).parents[2] / "docs" / "command-line.md"
    table = page.read_text("utf-8").partition("## Coming from rembg")[2]
    rows = [line.split(" | ") for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    commands = [row[2].strip(" |`") for row in rows[1:]]
    assert len(commands) > 8
    return [command for command in commands if command.startswith("dgrl detect ") and "<" not in command]


def filmed(path):
    """Write a video of two frames that is not one of ours."""
    av = pytest.importorskip("av")
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for seed in range(2):
            frame = av.VideoFrame.from_ndarray(draw_photo(48, 64, seed=seed)[0], format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("command", commands_for_users_of_rembg())
def test_each_command_for_users_of_rembg_works(dgrl, here, command):
    photo(here / "in.jpg", (200, 260))
    photo(here / "in" / "a.jpg")
    if "in.mp4" in command:
        filmed(here / "in.mp4")
    code, _, err = dgrl(*shlex.split(command)[1:])
    assert (code, err) == (0, [])
    assert not set(files(here)) <= {"in.jpg", "in/a.jpg", "in.mp4"}


def test_the_app_s_matting_equals_the_library_s(dgrl, here, checkpoint):
    photo(here / "a.png", (90, 60))
    model = DGRL.from_pretrained(checkpoint)
    expected = model.detect("a.png", matting=True)
    assert dgrl("detect", "a.png", "--matting", "--precision", "fp32", "--cutout")[0] == 0
    assert np.abs(grey("saliency/a.png") - 255 * expected).max() < 2
    assert np.abs(np.asarray(model.cut_out("a.png", matting=True))[..., 3] - 255 * expected).max() <= 1


def test_a_photo_in_which_nothing_is_found_is_reported(dgrl, here, monkeypatch):
    photo(here / "in.jpg", (60, 90))
    monkeypatch.setattr(DGRL, "detect", lambda *_, **__: np.full((90, 60), 0.3, np.float32))
    assert dgrl("detect", "in.jpg", "--cutout-only")[::2] == (0, ["dgrl: in.jpg: nothing was found"])
    assert dgrl("detect", "in.jpg", "--point", "3,4")[2] == ["dgrl: in.jpg: nothing was found by this prompt"]
    monkeypatch.setattr(DGRL, "detect", lambda *_, **__: np.full((90, 60), 0.8, np.float32))
    assert dgrl("detect", "in.jpg")[2] == []


@pytest.mark.parametrize(
    "command", ["detect", "trace", "survey", "train", "evaluate", "import-caffe", "app", "export", "watch"]
)
def test_every_command_s_help_has_an_example(dgrl, command):
    code, out, _ = dgrl(command, "--help")
    assert code == 0
    assert any(f"dgrl {command} " in line for line in out)


def test_a_video_s_unknown_kind_is_refused(dgrl, here):
    filmed(here / "in.mp4")
    code, _, err = dgrl("detect", "in.mp4", "-o", "out.gif", "--video", "--cutout-only")
    assert code == 1
    assert ".gif is not one of .webm, .mp4" in err[0]
