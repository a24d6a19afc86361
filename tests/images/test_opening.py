"""Files from phones, cameras and editors: HEIC, profiles, transparency, long text, sizes beyond the limit."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from dgrl.data.masks import read_levels
from dgrl.images import IMAGE_SUFFIXES, ImageError, opening, read_image, read_photo
from dgrl.images.transparency import ground_for
from tests.helpers.hostile import encoded, wide_profile
from tests.helpers.networks import draw_photo

PHOTO = draw_photo(48, 80)[0]


def off(found, expected):
    return np.abs(found.astype(int) - np.asarray(expected).astype(int)).max()


def in_srgb(image, profile=None):
    """Return Little CMS's conversion to sRGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile or wide_profile()))
    return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("tif", "TIFF"), ("webp", "WEBP"), ("heic", "HEIF")])
def test_colours_of_a_profile_become_srgbs(tmp_path, suffix, kind):
    image = Image.fromarray(PHOTO)
    settings = {"lossless": True} if kind == "WEBP" else {"quality": -1, "chroma": 444} if kind == "HEIF" else {}
    path = tmp_path / f"a.{suffix}"
    image.save(path, kind, icc_profile=wide_profile(), **settings)
    expected = in_srgb(image)
    assert off(PHOTO, expected) > 15, "the profile does nothing"
    assert off(read_image(path), expected) <= (8 if kind == "HEIF" else 1)


def test_profiles_of_pictures_with_alpha_and_of_palettes(tmp_path):
    image = Image.fromarray(PHOTO)
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 80).astype(np.uint8), (48, 1)))
    image.putalpha(alpha)
    image.save(tmp_path / "a.png", icc_profile=wide_profile())
    photo = read_photo(tmp_path / "a.png")
    assert off(photo.colours, in_srgb(image.convert("RGB"))) <= 1
    assert np.array_equal(photo.alpha, alpha)
    palette = Image.fromarray(PHOTO).quantize(16)
    palette.save(tmp_path / "p.png", icc_profile=wide_profile())
    assert off(read_image(tmp_path / "p.png"), in_srgb(palette.convert("RGB"))) <= 1


def test_srgb_under_any_name_changes_nothing(tmp_path):
    Image.fromarray(PHOTO).save(
        tmp_path / "a.png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    assert np.array_equal(read_image(tmp_path / "a.png"), PHOTO)


@pytest.mark.parametrize("profile", [b"", b"nonsense" * 99, wide_profile()[:300], bytes(128) + wide_profile()[128:]])
def test_damaged_colour_profiles_are_ignored(tmp_path, profile):
    Image.fromarray(PHOTO).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(read_image(tmp_path / "a.png"), PHOTO)


def test_profiles_of_another_colour_mode_are_ignored(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(PHOTO).save(tmp_path / "a.png", icc_profile=lab)
    assert np.array_equal(read_image(tmp_path / "a.png"), PHOTO)
    cmyk = Image.fromarray(PHOTO).convert("CMYK")
    cmyk.save(tmp_path / "a.tif", icc_profile=wide_profile())
    assert np.array_equal(read_image(tmp_path / "a.tif"), np.asarray(cmyk.convert("RGB")))


def test_grey_pictures_of_a_colour_profile_stay_grey(tmp_path):
    Image.fromarray(PHOTO[:, :, 0]).save(tmp_path / "a.png", icc_profile=wide_profile())
    result = read_image(tmp_path / "a.png").astype(int)
    assert np.ptp(result, axis=2).max() <= 6


@pytest.mark.parametrize("name", ["a.heic", "a.HIF", "a.jpg"])
def test_heic_under_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(encoded(Image.fromarray(PHOTO), "HEIF", quality=-1, chroma=444))
    assert off(read_image(tmp_path / name), PHOTO) <= 8


def test_heic_turned_and_transparent(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.heic").write_bytes(
        encoded(Image.fromarray(PHOTO), "HEIF", quality=-1, chroma=444, exif=exif.tobytes())
    )
    assert off(read_image(tmp_path / "a.heic"), np.rot90(PHOTO, -1)) <= 8
    image = Image.fromarray(PHOTO)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    (tmp_path / "b.heic").write_bytes(encoded(image, "HEIF", quality=-1, chroma=444))
    alpha = read_photo(tmp_path / "b.heic").alpha
    assert alpha is not None
    assert off(alpha, image.getchannel("A")) <= 8


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_megabytes_of_text_do_no_harm(tmp_path, kind):
    text = PngInfo()
    if kind == "iTXt":
        text.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    else:
        text.add_text("history", "x" * 3_000_000, zip=kind == "zTXt")
    Image.fromarray(PHOTO).save(tmp_path / "a.png", pnginfo=text)
    assert np.array_equal(read_image(tmp_path / "a.png"), PHOTO)


def test_text_without_bound_is_refused(tmp_path):
    text = PngInfo()
    text.add_text("history", "x" * 50_000_000, zip=True)
    Image.fromarray(PHOTO).save(tmp_path / "a.png", pnginfo=text)
    assert (tmp_path / "a.png").stat().st_size < 100_000
    with pytest.raises(ImageError, match="too large"):
        read_image(tmp_path / "a.png")


def test_profiles_of_megabytes_are_read(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png", icc_profile=wide_profile() + bytes(3_000_000))
    assert off(read_image(tmp_path / "a.png"), in_srgb(Image.fromarray(PHOTO))) <= 1


@pytest.mark.parametrize(("content", "ground"), [(255, 0), (240, 0), (0, 255), (128, 255), (200, 0)])
def test_transparent_pictures_lie_where_they_are_seen(content, ground):
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 10:30] = 255
    pixels = np.dstack([np.full((40, 40, 3), content, np.uint8), alpha])
    photo = read_photo(pixels)
    assert (photo.seen[0] == ground).all()
    assert (photo.seen[20, 20] == content).all()
    assert np.array_equal(photo.alpha, alpha)
    assert (photo.colours == content).all()


def test_a_logo_of_black_and_white_lies_on_grey():
    colours = np.zeros((40, 40, 3), np.uint8)
    colours[:, 20:] = 255
    assert ground_for(Image.fromarray(colours), Image.new("L", (40, 40), 255)) == 128


def test_opaque_and_invisible_pictures():
    assert read_photo(np.dstack([PHOTO, np.full((48, 80), 255, np.uint8)])).alpha is None
    invisible = read_photo(np.dstack([PHOTO, np.zeros((48, 80), np.uint8)]))
    assert (invisible.seen == 255).all()


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "JPEG"), ("jp2", "JPEG2000")])
def test_large_photos_are_read_at_reduced_size(tmp_path, suffix, kind):
    image = Image.fromarray(PHOTO).resize((800, 480))
    path = tmp_path / f"a.{suffix}"
    image.save(path, kind)
    for limit, divisor in ((800 * 480, 1), (100_000, 2), (25_000, 4), (6_000, 8)):
        photo = read_photo(path, limit, reduce=True)
        assert photo.seen.shape == (480 // divisor, 800 // divisor, 3)
        assert photo.full_size == (None if divisor == 1 else (800, 480))
        small = np.asarray(image.reduce(divisor)).astype(int)
        assert np.abs(photo.seen - small).mean() < 8
    for limit, reduce in ((100_000, False), (5_999, True)):
        with pytest.raises(ImageError, match=f"more than the limit of {limit:,}"):
            read_photo(path, limit, reduce)


def test_reduced_photos_are_turned_and_bounded(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(PHOTO).resize((801, 483))
    image.save(tmp_path / "a.jpg", exif=exif)
    photo = read_photo(tmp_path / "a.jpg", 100_000, reduce=True)
    assert (photo.seen.shape[:2], photo.full_size) == ((401, 242), (483, 801))
    image.save(tmp_path / "a.png", exif=exif)
    photo = read_photo(tmp_path / "a.png", 100_000, reduce=True)
    assert (photo.seen.shape[:2], photo.full_size) == ((401, 242), (483, 801))
    with monkeypatch.context() as patch:
        patch.setattr(opening, "MAX_PIXELS", 300_000)  # of what has to be decoded whole
        with pytest.raises(ImageError, match="801×483 pixels, more than the limit of 300,000"):
            read_photo(tmp_path / "a.png", 100_000, reduce=True)
    monkeypatch.setattr(opening, "MAX_REDUCED_PIXELS", 300_000)
    with pytest.raises(ImageError, match="801×483 pixels, more than"):
        read_photo(tmp_path / "a.jpg", 100_000, reduce=True)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"),
        ("P", "png"),
        ("L", "png"),
        ("LA", "png"),
        ("RGBA", "webp"),
        ("CMYK", "tif"),
        ("I;16", "png"),
        ("F", "tif"),
    ],
)
def test_pictures_are_reduced_in_every_colour_mode(tmp_path, mode, suffix):
    image = Image.fromarray(PHOTO).resize((800, 480))
    if mode in ("I;16", "F"):
        grey = np.asarray(image.convert("L"))
        image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey.astype(np.float32) / 255)
    else:
        image = image.convert(mode)
    path = tmp_path / f"a.{suffix}"
    image.save(path, **({"lossless": True} if suffix == "webp" else {}))
    photo = read_photo(path, 25_000, reduce=True)
    assert (photo.seen.shape, photo.full_size) == ((120, 200, 3), (800, 480))
    small = np.asarray(Image.fromarray(read_photo(path).seen).reduce(4)).astype(int)
    assert np.abs(photo.seen - small).max() < 3


def test_bytes_of_a_file():
    assert np.array_equal(read_photo(io.BytesIO(encoded(Image.fromarray(PHOTO), "PNG"))).seen, PHOTO)
    for content, reason in ((b"", "the picture: the file is empty"), (b"text", "the picture: this is not")):
        with pytest.raises(ImageError, match=reason):
            read_photo(io.BytesIO(content))


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "a.jpg").symlink_to("gone.jpg")
    with pytest.raises(ImageError, match=r"a\.jpg: this is a link to a file that is not there"):
        read_image(tmp_path / "a.jpg")


def test_endings_that_pictures_come_with():
    assert {".jfif", ".jpe", ".jp2", ".heic", ".heif", ".hif", ".avif", ".mpo"} <= IMAGE_SUFFIXES


GREY = np.linspace(0, 65535, 30 * 40).astype(np.uint16).reshape(30, 40)
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]])  # (3, 30, 40)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiffs_that_count_from_white(tmp_path, bits, compression):
    dark = (65535 - GREY) if bits == 16 else (255 - (GREY >> 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", dark, photometric="miniswhite", compression=compression)
    assert np.array_equal(read_image(tmp_path / "a.tif")[:, :, 0], GREY >> 8)
    assert np.abs(read_levels(tmp_path / "a.tif").values.astype(int) - (GREY >> 8)).max() == 0


def test_floats_that_count_from_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", (1 - GREY / 65535).astype(np.float32), photometric="miniswhite")
    assert np.abs(read_image(tmp_path / "a.tif")[:, :, 0].astype(int) - GREY / 257).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 7}, {"compression": "zlib"}])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiffs_whose_colours_lie_in_separate_planes(tmp_path, bits, layout, order):
    planes = COLOURS if bits == 16 else (COLOURS >> 8).astype(np.uint8)
    settings = {"photometric": "rgb", "planarconfig": "separate", "byteorder": order, **layout}
    tifffile.imwrite(tmp_path / "a.tif", planes, **settings)
    assert np.array_equal(read_image(tmp_path / "a.tif"), (COLOURS >> 8).transpose(1, 2, 0))
    tifffile.imwrite(tmp_path / "b.tif", np.concatenate([planes, planes[:1]]), extrasamples=["unassalpha"], **settings)
    photo = read_photo(tmp_path / "b.tif")
    assert np.array_equal(photo.colours, (COLOURS >> 8).transpose(1, 2, 0))
    assert np.array_equal(photo.alpha, GREY >> 8)


@pytest.mark.parametrize(
    "values", [(GREY / 65535).astype(np.float16), np.stack([GREY, GREY], -1), GREY.astype(np.uint32) << 16]
)
def test_tiffs_that_cannot_be_read_say_so(tmp_path, values):
    settings = {"extrasamples": ["unassalpha"]} if values.ndim == 3 else {}
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", **settings)
    with pytest.raises(ImageError, match=r"TIFF files with this kind of pixels|beyond 16 bits"):
        read_image(tmp_path / "a.tif")
