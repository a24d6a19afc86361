"""Videos and animated pictures: what is read of them, and what written videos hold."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgrl.images import ImageError, read_photo
from dgrl.images.marking import is_marked
from dgrl.images.video import Frame, SequenceWriter, VideoWriter, read_frames, steadied

av = pytest.importorskip("av")
COLOURS = ("red", "lime", "blue")


def pictures(size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    """Return a square that moves to the right on backgrounds of three colours."""
    frames = [Image.new("RGB", size, colour) for colour in COLOURS]
    for index, frame in enumerate(frames):
        frame.paste("white", (8 + 16 * index, 16, 24 + 16 * index, 32))
    return frames


def write_video(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    with VideoWriter(path, path.suffix[1:]) as writer:
        for index, picture in enumerate(pictures(size)):
            writer.add(picture, index / 10)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.webm", "a.mp4"])
def test_frames_come_one_after_another_with_their_times(tmp_path: Path, name: str) -> None:
    path, frames = tmp_path / name, pictures()
    if path.suffix in (".webm", ".mp4"):
        write_video(path)
        assert is_marked(path)
    else:
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    read = list(read_frames(path))
    assert [round(frame.seconds, 2) for frame in read] == [0, 0.1, 0.2]
    for frame, expected in zip(read, frames, strict=True):
        assert np.abs(frame.photo.seen.astype(int) - np.asarray(expected)).mean() < 8


def test_maps_are_steadied_without_lag() -> None:
    nothing = read_photo(np.zeros((1, 8, 3), np.uint8))
    wide = [np.float32([[index <= column < index + 4 for column in range(8)]]) for index in range(5)]
    flash = [np.float32([[value]]) for value in (0.1, 0.2, 0.9, 0.2, 0.1)]
    for maps, expected in ((wide, wide), (flash, np.float32([0.1, 0.2, 0.2, 0.2, 0.1]).reshape(5, 1, 1)), ([], [])):
        found = list(steadied((Frame(nothing, index), values) for index, values in enumerate(maps)))
        assert [frame.seconds for frame, _ in found] == list(range(len(maps)))
        np.testing.assert_array_equal([values for _, values in found], expected)
    sizes = [values for _, values in steadied([(Frame(nothing, 0), flash[0]), (Frame(nothing, 1), wide[0])])]
    assert [values.shape for values in sizes] == [(1, 1), (1, 8)]


def test_a_transparent_animation_stays_transparent(tmp_path: Path) -> None:
    frames = [picture.convert("RGBA") for picture in pictures()]
    for frame in frames:
        frame.paste((0, 0, 0, 0), (0, 0, 64, 10))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], disposal=2)
    for frame in read_frames(tmp_path / "a.gif"):
        assert frame.photo.alpha is not None
        assert frame.photo.alpha[:10].max() == 0
        assert frame.photo.alpha[10:].min() == 255


@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_webm_keeps_transparency(tmp_path: Path, size: tuple[int, int]) -> None:
    alphas = []
    with VideoWriter(tmp_path / "a.webm", "webm") as writer:
        for index, picture in enumerate(pictures(size)):
            alpha = np.zeros(size[::-1], np.uint8)
            alpha[16:32, 8 + 16 * index : 24 + 16 * index] = 255
            alphas.append(alpha)
            picture.putalpha(Image.fromarray(alpha))
            writer.add(picture, index / 10)
    decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own decoder leaves alpha out
    with av.open(str(tmp_path / "a.webm")) as container:
        decoded = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)]
    for frame, alpha in zip(decoded, alphas, strict=True):
        result = frame.to_ndarray(format="rgba")[..., 3].astype(int)
        assert result.shape == alpha.shape
        assert np.abs(result - alpha).mean() < 4


def test_mp4_of_odd_size_loses_a_row_and_a_column(tmp_path: Path) -> None:
    (first, *_) = read_frames(write_video(tmp_path / "a.mp4", (65, 47)))
    assert first.photo.seen.shape == (46, 64, 3)


def test_a_video_filmed_upright_is_turned(tmp_path: Path) -> None:
    """Telephones write a matrix into the track's header."""
    content = write_video(tmp_path / "a.mp4").read_bytes()

    def matrix(*numbers: int) -> bytes:
        shifts = (16, 16, 30) * 3
        return b"".join(
            (number << shift).to_bytes(4, "big", signed=True) for number, shift in zip(numbers, shifts, strict=True)
        )

    where = content.index(b"tkhd")
    header = content[where : where + 100]
    assert matrix(1, 0, 0, 0, 1, 0, 0, 0, 1) in header
    turned = header.replace(matrix(1, 0, 0, 0, 1, 0, 0, 0, 1), matrix(0, 1, 0, -1, 0, 0, 48, 0, 1))
    (tmp_path / "b.mp4").write_bytes(content.replace(header, turned))
    for frame, expected in zip(read_frames(tmp_path / "b.mp4"), pictures(), strict=True):
        clockwise = np.rot90(np.asarray(expected), -1)
        assert frame.photo.seen.shape == (64, 48, 3)
        assert np.abs(frame.photo.seen.astype(int) - clockwise).mean() < 8


def test_a_sequence_is_numbered_and_marked(tmp_path: Path) -> None:
    with SequenceWriter(tmp_path / "a") as writer:
        for picture in pictures():
            writer.add(picture, 0)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["000001.png", "000002.png", "000003.png"]
    assert is_marked(tmp_path / "a" / "000002.png")


def sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


BAD = {
    "words.mp4": (lambda path: path.write_text("these are words"), "cannot be read"),
    "empty.webm": (lambda path: path.write_bytes(b""), "cannot be read"),
    "half.mp4": (lambda path: path.write_bytes(write_video(path).read_bytes()[:600]), "cannot be read"),
    "sound.mp4": (sound, "no pictures"),
    "words.gif": (lambda path: path.write_text("these are words"), "not a video or an animated picture"),
    "missing.mp4": (lambda path: None, "there is no such file"),
    "missing.gif": (lambda path: None, "there is no such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_one_sentence(tmp_path: Path, name: str) -> None:
    write, message = BAD[name]
    write(tmp_path / name)
    with pytest.raises(ImageError, match=message) as error:
        list(read_frames(tmp_path / name))
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(error.value)
