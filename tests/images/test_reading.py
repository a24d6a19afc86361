"""Reading pictures: every mode as a person sees it, every fault as one sentence."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from dgrl.images import (
    ImageError,
    as_float,
    read_image,
    square,
    to_grey,
    to_size,
    to_tensor,
)
from tests.helpers.networks import draw_photo

ORIENTATION = 0x0112


@pytest.fixture
def colours():
    """Return a smooth picture (24, 32, 3) with four different corners: JPEG keeps it, and rotations show."""
    rows, columns = np.mgrid[0:24, 0:32]
    return np.dstack([rows * 10, columns * 7, 255 - rows * 5 - columns * 3]).astype(np.uint8)


@pytest.fixture
def grey():
    return np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 85  # 0 to 65195


def png(path, width, height, depth, colour_type, rows, chunks=()):
    """Write a PNG of any kind byte by byte, because Pillow cannot write most 16-bit ones."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = b"".join(chunk(kind, data) for kind, data in chunks)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def png16(path, array, colour_type):
    return png(path, array.shape[1], array.shape[0], 16, colour_type, [row.astype(">u2").tobytes() for row in array])


def tiff16(path, array):
    """Write an uncompressed 16-bit RGB TIFF in one strip, byte by byte."""
    height, width, _ = array.shape
    data = array.astype("<u2").tobytes()
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data))]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    head = b"II*\0" + struct.pack("<I", 8) + directory
    path.write_bytes(head.ljust(122, b"\0") + struct.pack("<3H", 16, 16, 16) + data)
    return path


def close(image, expected, tolerance):
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize(
    ("suffix", "tolerance"), [("png", 0), ("bmp", 0), ("tif", 0), ("ppm", 0), ("jpg", 16), ("webp", 30), ("gif", 60)]
)
def test_formats(tmp_path, colours, suffix, tolerance):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(colours).save(path)
    close(read_image(path), colours, tolerance)
    close(read_image(str(path)), colours, tolerance)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "LA", "La", "PA"]
)
def test_modes_of_pil_images(colours, mode):
    # Pillow converts to "La" from "LA" only, and to "RGBa" from "RGBA" only.
    via = {"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
    image = Image.fromarray(colours).convert(via).convert(mode)
    expected = {"1": "1", "L": "L", "LA": "L", "La": "L", "P": "P", "PA": "P"}.get(mode, "RGB")
    close(
        read_image(image), np.array(Image.fromarray(colours).convert(expected).convert("RGB")), 60 if "P" in mode else 6
    )


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "L"])
def test_jpeg_modes(tmp_path, colours, mode):
    path = tmp_path / "picture.jpg"
    Image.fromarray(colours).convert(mode).save(path, quality=95)
    with Image.open(path) as image:
        assert image.mode == ("RGB" if mode == "YCbCr" else mode)
    close(read_image(path), np.array(Image.fromarray(colours).convert(mode).convert("RGB")), 16)


def test_adobe_jpeg_is_stored_inverted(tmp_path, colours):
    path = tmp_path / "adobe.jpg"
    Image.fromarray(colours).convert("CMYK").save(path, quality=95)
    assert b"Adobe" in path.read_bytes()  # Pillow writes the marker, and inverts, as Photoshop does
    close(read_image(path), colours, 16)


def test_lab(tmp_path, colours):
    rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.applyTransform(Image.fromarray(colours), ImageCms.buildTransform(rgb, lab, "RGB", "LAB"))
    image.save(tmp_path / "lab.tif")
    inside = np.array(ImageCms.applyTransform(image, ImageCms.buildTransform(lab, rgb, "LAB", "RGB")))
    close(read_image(tmp_path / "lab.tif"), inside, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_exif_rotation(tmp_path, colours, orientation, suffix):
    turned = {
        1: colours,
        2: colours[:, ::-1],
        3: colours[::-1, ::-1],
        4: colours[::-1],
        5: colours.transpose(1, 0, 2),
        6: np.rot90(colours, -1),
        7: colours[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(colours),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(colours).save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    close(read_image(path), turned, 16)


def test_exif_rotation_of_16_bits(tmp_path, grey):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(grey).save(tmp_path / "turned.png", exif=exif)
    close(read_image(tmp_path / "turned.png")[:, :, 0], np.rot90(grey >> 8, -1), 0)


UNWRITABLE = {
    "negative, zero denominator": (0x9204, 10, 1, struct.pack("<ii", -1, 0)),
    "negative where none may be": (0x011A, 10, 1, struct.pack("<ii", -5, 3)),
    "shorter than it says": (0x9286, 7, 5000, b"abc"),
    "text that is not ASCII": (0x010E, 2, 4, b"\xff\xfe\xc3\0"),
}
"""Tag, type, count and value of EXIF entries that cameras write and Pillow cannot write back, or may not."""


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("entry", UNWRITABLE)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_block_that_cannot_be_written_back_still_turns(tmp_path, colours, entry, suffix):
    tag, kind, count, value = UNWRITABLE[entry]
    entries = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0) + struct.pack("<HHII", tag, kind, count, 38)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + value
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(colours).save(path, exif=block, **({"lossless": True} if suffix == "webp" else {}))
    close(read_image(path), np.rot90(colours, -1), 16)
    close(read_image(Image.open(path)), np.rot90(colours, -1), 16)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_no_reason_to_refuse(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(range(64)))
    close(read_image(tmp_path / "a.jpg"), colours, 16)


def test_alpha_lies_over_white(tmp_path):
    pixels = np.array([[[200, 0, 0, 0], [200, 0, 0, 255], [200, 0, 100, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    expected = np.array([[[255, 255, 255], [200, 0, 0], [244, 204, 224]]])
    close(read_image(tmp_path / "alpha.png"), expected, 1)
    close(read_image(pixels), expected, 1)
    close(read_image(torch.from_numpy(pixels).permute(2, 0, 1)), expected, 1)


def test_grey_with_alpha(tmp_path):
    Image.fromarray(np.array([[[100, 0], [100, 255], [0, 51]]], np.uint8), "LA").save(tmp_path / "la.png")
    close(read_image(tmp_path / "la.png")[0, :, 0], np.array([255, 100, 204]), 1)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_with_a_transparent_colour(tmp_path, suffix):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image = image.convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / f"p.{suffix}", transparency=1)
    close(read_image(tmp_path / f"p.{suffix}"), np.array([[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]), 0)


def test_palette_with_graded_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "p.png", transparency=bytes([255, 0, 51]))
    close(read_image(tmp_path / "p.png"), np.array([[[255, 0, 0], [255, 255, 255], [204, 204, 255]]]), 1)


def test_rgb_with_a_transparent_colour(tmp_path):
    Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).save(tmp_path / "key.png", transparency=(1, 2, 3))
    close(read_image(tmp_path / "key.png"), np.array([[[255, 255, 255], [4, 5, 6]]]), 0)


def test_16_bits_by_their_full_range(tmp_path, grey):
    expected = np.repeat((grey >> 8)[:, :, None], 3, 2)
    for suffix in ("png", "tif", "pgm"):
        Image.fromarray(grey).save(tmp_path / f"grey.{suffix}")
        close(read_image(tmp_path / f"grey.{suffix}"), expected, 0)
    close(read_image(Image.fromarray(grey)), expected, 0)
    close(read_image(grey), expected, 0)
    close(read_image(grey // 300), expected // 300, 0)  # dark ones stay dark


def test_16_bit_colour(tmp_path):
    array = np.random.default_rng(0).integers(0, 65536, (5, 7, 4)).astype(np.uint16)
    close(read_image(png16(tmp_path / "rgb.png", array[:, :, :3], 2)), array[:, :, :3] >> 8, 0)
    close(read_image(tiff16(tmp_path / "rgb.tif", array[:, :, :3])), array[:, :, :3] >> 8, 0)
    close(read_image(array[:, :, :3]), array[:, :, :3] >> 8, 0)
    opaque = array.copy()
    opaque[:, :, 3] = 65535
    close(read_image(png16(tmp_path / "rgba.png", opaque, 6)), array[:, :, :3] >> 8, 0)
    close(read_image(png16(tmp_path / "la.png", opaque[:, :, 2:], 4))[:, :, 0], array[:, :, 2] >> 8, 0)


def test_float_tiff(tmp_path):
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "float.tif")
    close(read_image(tmp_path / "float.tif")[:, :, 1], np.rint(values * 255), 0)
    for name, wrong, reason in (("big", values * 255, "[0, 1]"), ("nan", values * np.nan, "NaN")):
        Image.fromarray(wrong).save(tmp_path / f"{name}.tif")
        with pytest.raises(ImageError, match=f"{name}.tif: it") as error:
            read_image(tmp_path / f"{name}.tif")
        assert reason in str(error.value)


def test_32_bit_integers_are_refused_unless_they_are_16(tmp_path):
    Image.fromarray(np.array([[0, 65535, 256]], np.int32)).save(tmp_path / "small.tif")
    close(read_image(tmp_path / "small.tif")[0, :, 0], np.array([0, 255, 1]), 0)
    for number in (70000, -1):
        Image.fromarray(np.array([[0, number]], np.int32)).save(tmp_path / "large.tif")
        with pytest.raises(ImageError, match="beyond 16 bits"):
            read_image(tmp_path / "large.tif")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_first_frame_of_animations(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"film.{suffix}", save_all=True, append_images=frames[1:], **lossless)
    with Image.open(tmp_path / f"film.{suffix}") as image:
        assert image.n_frames == 3
    close(read_image(tmp_path / f"film.{suffix}"), np.full((8, 8, 3), (255, 0, 0)), 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 20000), (20000, 1), (20000, 20)])
def test_extreme_shapes(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "strip.png")
    close(read_image(tmp_path / "strip.png"), array, 0)
    assert square(to_tensor(array), 64).shape == (1, 3, 64, 64)
    assert to_size(torch.rand(1, 1, 64, 64), *shape).shape == (1, 1, *shape)


@pytest.mark.parametrize("name", ["été 日本.png", "a b'c\"d.png", "line\nbreak.png", os.fsdecode(b"latin-\xe9.png")])
def test_any_name(tmp_path, colours, name):
    Image.fromarray(colours).save(tmp_path / name, "PNG")
    close(read_image(tmp_path / name), colours, 0)


def test_contents_count_not_suffixes(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "really_png.jpg", "PNG")
    close(read_image(tmp_path / "really_png.jpg"), colours, 0)


@pytest.mark.parametrize(
    ("name", "contents", "reason"),
    [
        ("empty.png", b"", "the file is empty"),
        ("text.jpg", b"this is a letter, not a picture", "not a picture"),
        ("page.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        ("head.jpg", b"\xff\xd8\xff\xe0", "not a picture"),
        ("drawing.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "drawings"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, name, contents, reason):
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(ImageError, match=reason) as error:
        read_image(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_paths_that_are_no_files(tmp_path):
    for path, reason in (
        (tmp_path / "nothing.png", "no such file"),
        (tmp_path, "folder"),
        (tmp_path / ("x" * 300), "cannot be read"),
        ("nul\0byte.png", "cannot be read"),
        ("https://example.org/a.png", "no such file"),
    ):
        with pytest.raises(ImageError, match=reason):
            read_image(path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX systems")
def test_permission_denied(tmp_path, colours):
    path = tmp_path / "secret.png"
    Image.fromarray(colours).save(path)
    path.chmod(0)
    Image.init()
    user = os.geteuid()
    if user == 0:  # root may read anything, so become another user
        os.seteuid(65534)
    try:
        with pytest.raises(ImageError, match="permission denied"):
            read_image(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_truncated(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"damaged|cannot be read|not a picture"):
        read_image(path)
    with pytest.raises((ImageError, OSError)), Image.open(path) as image:
        read_image(image)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp", "ppm", "avif"])
def test_flipped_bits_give_a_picture_or_an_image_error(tmp_path, colours, suffix):
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix))
    original = buffer.getvalue()
    random = np.random.default_rng(1)
    path = tmp_path / f"picture.{suffix}"
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(original)
        for position in random.integers(0, min(len(damaged), 400), 3):
            damaged[position] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        outcomes.add(read_or_reason(path))
    assert any(str(path) in outcome for outcome in outcomes)
    assert all("\n" not in outcome for outcome in outcomes)


def read_or_reason(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert read_image(path, max_pixels=10**6).ndim == 3
    except ImageError as error:
        return str(error)
    return ""


def test_size_is_checked_before_decoding(tmp_path):
    """A header that promises 2.5 gigapixels over no data at all: damaged, but that is never found out."""
    bomb = png(tmp_path / "bomb.png", 50_000, 50_000, 8, 2, [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ImageError, match=r"bomb.png: it has 50,000×50,000 pixels, more than the limit of 100,000,000"
        ):
            read_image(bomb)
        # Between Pillow's warning and its error, and past both, with a limit of our own beyond them.
        for side in (10_000, 15_000):
            almost = png(tmp_path / "large.png", side, side, 1, 0, [])
            with pytest.raises(ImageError, match="damaged"):
                read_image(almost, max_pixels=300_000_000)
            if side == 15_000:
                with pytest.raises(ImageError, match="limit of 100,000,000"):
                    read_image(almost)
    assert Image.MAX_IMAGE_PIXELS is not None


def test_limits_hold_for_everything(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", Image.fromarray(colours), colours, torch.from_numpy(colours).permute(2, 0, 1)):
        assert read_image(source, max_pixels=24 * 32).shape == (24, 32, 3)
        with pytest.raises(ImageError, match="32×24 pixels, more than the limit of 767"):
            read_image(source, max_pixels=767)
    with pytest.raises(ImageError, match="no side may be longer"):
        read_image(np.zeros((1, 100_001), np.uint8))


def test_arrays():
    picture = np.array([[[0, 128, 255]]], np.uint8)
    for same in (
        picture,
        picture.astype(np.int64),
        picture.astype(np.float64) / 255,
        picture.astype(np.float16) / np.float16(255),
        np.asfortranarray(picture),
    ):
        close(read_image(same), picture, 0)
    close(read_image(np.array([[True, False]])), np.array([[[255] * 3, [0] * 3]]), 0)
    close(read_image(np.ones((2, 3, 1))), np.full((2, 3, 3), 255), 0)
    flipped = picture[:, ::-1]
    assert not np.shares_memory(read_image(picture), picture)
    close(read_image(flipped), flipped, 0)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((0, 5, 3)), "empty"),
        (np.zeros((3, 4, 5), np.uint8), "shape"),
        (np.zeros(7), "shape"),
        (np.zeros((1, 2, 3, 4)), "shape"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.array([[0.5, np.inf]]), "infinite"),
        (np.array([[0.5, 1.5]]), r"\[0, 1\]"),
        (np.array([[-0.1, 0.5]]), r"\[0, 1\]"),
        (np.array([[0, 256]]), r"\[0, 255\]"),
        (np.array([[-1, 5]]), r"\[0, 255\]"),
        (np.array([["a", "b"]]), "values"),
        (np.array([[1j, 2]]), "values"),
        (torch.zeros(2, 3), "shape"),
        (torch.zeros(2, 5, 5), "shape"),
        (torch.full((3, 2, 2), float("nan")), "NaN"),
        (torch.full((3, 2, 2), 2.0), r"\[0, 1\]"),
        (Image.new("RGB", (0, 3)), "empty"),
        (None, "NoneType"),
    ],
)
def test_files_that_are_not_pictures_are_refused(array, reason):
    with pytest.raises(ImageError, match=reason):
        read_image(array)


def test_tensors(colours):
    tensor = torch.from_numpy(colours).permute(2, 0, 1)
    close(read_image(tensor), colours, 0)
    close(read_image((tensor / 255).requires_grad_()), colours, 0)
    close(read_image((tensor / 255).bfloat16()), colours, 1)
    close(read_image(tensor[:1]), np.repeat(colours[:, :, :1], 3, 2), 0)


@pytest.mark.parametrize("shape", [(300, 500), (40, 30), (1, 2000)])
def test_bytes_and_floats_become_the_same_square(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    tensor = to_tensor(image)
    assert tensor.dtype == torch.uint8
    from_bytes, from_floats = square(tensor, 96), square(as_float(tensor), 96)
    assert from_bytes.dtype == from_floats.dtype == torch.float32
    assert (from_bytes - from_floats).abs().max() < 1 / 255


def test_pictures_of_maps(colours):
    saliency = np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32)
    assert np.array_equal(np.asarray(to_grey(saliency)), np.rint(saliency * 255))


def test_the_bytes_of_a_file_and_open_files_are_pictures(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(draw_photo(30, 40)[0]).save(path)
    expected = read_image(path)
    content = path.read_bytes()
    for source in (content, bytearray(content), io.BytesIO(content)):
        np.testing.assert_array_equal(read_image(source), expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "the picture: the file is empty"),
        (b"text", "not a picture of any kind"),
        (io.StringIO("text"), "binary mode"),
    ],
)
def test_bytes_that_are_no_picture_are_refused_in_a_sentence(source, message):
    with pytest.raises(ImageError, match=message):
        read_image(source)
