"""`dgrl detect --video` reads every frame of videos and animations, and refuses options that are only for photos."""

import numpy as np
import pytest
from PIL import Image

from dgrl import DGRL, cli
from dgrl.images import to_grey
from dgrl.images.marking import is_marked
from dgrl.images.video import VideoWriter, read_frames
from tests.commands.test_cli import checkpoint, dgrl, files, here  # noqa: F401
from tests.helpers.networks import draw_photo

pytest.importorskip("av")
# ruff: noqa: F811


@pytest.fixture
def clip(here):
    """Write a video and an animated picture of three drawn photos."""
    frames = [Image.fromarray(draw_photo(40, 60, seed=seed)[0]) for seed in range(3)]
    frames[0].save(here / "clip.webp", save_all=True, append_images=frames[1:], duration=200, lossless=True)
    with VideoWriter(here / "film.mp4", "mp4") as writer:
        for index, frame in enumerate(frames):
            writer.add(frame, index / 5)
    return frames


def test_every_frame_is_detected(dgrl, here, checkpoint, clip):
    code, out, err = dgrl("detect", "clip.webp", "-o", "out", "--video", "--cutout", "--precision", "fp32")
    assert (code, [line for line in err if "frame" not in line]) == (0, [])
    assert out[-1].endswith("clip.webm (3 frames)")
    model = DGRL.from_pretrained(checkpoint)
    read = list(read_frames(here / "out" / "clip.webm"))
    assert [round(frame.seconds, 1) for frame in read] == [0, 0.2, 0.4]
    maps = [model.detect(photo) for photo in clip]
    steady = [maps[0], np.median(maps, axis=0), maps[2]]
    for frame, values in zip(read, steady, strict=True):
        expected = np.asarray(to_grey(values), int)
        assert np.abs(frame.photo.seen[..., 0].astype(int) - expected).mean() < 6
    assert is_marked(here / "out" / "clip_cutout.webm")


def test_a_sequence_holds_what_detect_writes_of_photos(dgrl, here, clip):
    clip[0].save("one.png")
    assert dgrl("detect", "one.png", "-o", "one", "--cutout")[0] == 0
    assert dgrl("detect", "clip.webp", "-o", "out", "--video", "--cutout", "--format", "png")[0] == 0
    assert len(list((here / "out" / "clip").iterdir())) == 3
    for folder, photo in (("clip", "one.png"), ("clip_cutout", "one_cutout.png")):
        result, expected = Image.open(here / "out" / folder / "000001.png"), Image.open(here / "one" / photo)
        assert result.mode == expected.mode
        np.testing.assert_allclose(np.asarray(result, int), np.asarray(expected, int), atol=1)


def test_a_coloured_background(dgrl, here, clip):
    assert dgrl("detect", "film.mp4", "-o", "out.mp4", "--video", "--background", "lime", "--cutout-only")[0] == 0
    (first, *_) = read_frames(here / "out.mp4")
    assert first.photo.seen.shape == (40, 60, 3)
    assert (first.photo.seen[..., 1] > first.photo.seen[..., 0]).mean() > 0.3
    film = here / "film.mp4"
    content = film.read_bytes()
    assert dgrl("detect", "out.mp4", "-o", "film.mp4", "--video")[0] == 0, "its own videos are replaced"
    assert film.read_bytes() != content


def test_other_videos_are_processed_and_no_incomplete_file_is_left(dgrl, here, clip):
    (here / "half.mp4").write_bytes((here / "film.mp4").read_bytes()[:900])
    code, out, err = dgrl("detect", "half.mp4", "clip.webp", "-o", "out", "--video")
    assert code == 2
    assert [line for line in err if line.startswith("dgrl:")] == [
        "dgrl: half.mp4: the video cannot be read (Invalid data found when processing input)"
    ]
    assert [path.name for path in (here / "out").iterdir()] == ["clip.webm"]
    assert out[-1].startswith("clip.webp ->")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("clip.webp", "--video", "--box", "1,2,3,4"), "--box is for photos"),
        (("clip.webp", "--video", "--trim"), "--trim is for photos"),
        (("clip.webp", "--video", "--json"), "--json is for photos"),
        (("clip.webp", "--video", "-o", "-"), "-o - is for photos"),
        (("clip.webp", "--video", "--format", "jpg"), "not one of webm, mp4, png"),
        (("clip.webp", "--video", "-o", "a.mp4", "--cutout"), "no transparency"),
        (("clip.webp", "film.mp4", "--video", "-o", "a.webm"), "name a folder"),
        ((".", "--video"), "--video takes files"),
        (("clip.webp", "--video", "-o", "note.webm"), "is there already"),
    ],
)
def test_impossible_questions_are_refused(dgrl, here, clip, options, reason):
    (here / "note.webm").write_text("mine")
    code, _, err = dgrl("detect", *options)
    assert code == 1
    assert reason in err[-1]
    assert (here / "note.webm").read_text() == "mine"


def test_videos_without_the_option_are_refused_with_a_hint(dgrl, here, clip):
    code, _, err = dgrl("detect", "clip.webp", "film.mp4", "-o", "out")
    assert code == 2
    assert "film.mp4: this is a video; add --video" in err[0]
    assert err[1].endswith("clip.webp: it has several frames, and only the first was used; --video does all")


def test_without_pyav_one_sentence_names_the_extra(dgrl, here, clip, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert dgrl("detect", "film.mp4", "--video")[2] == ["dgrl: this needs the package av: pip install 'dgrl[video]'"]
    assert cli.main(["detect", "film.mp4"]) == 2
