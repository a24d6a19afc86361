"""Cut-outs: colours at the edge, transparent photos, backgrounds, trimming."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dgrl.images import ImageError, Photo, read_photo
from dgrl.images.cutouts import Background, binary, cut_out, trimmed
from dgrl.images.foreground import LONGEST, foreground
from dgrl.images.marking import is_marked, marked_png, save_marked


def soft_disc(height, width):
    """Return a red object on green: photo, alpha (uint8), and the object's colour everywhere."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(y - height / 2, x - width / 2)
    alpha = np.rint(np.clip((min(height, width) / 3 - distance) / 12 + 0.5, 0, 1) * 255).astype(np.uint8)
    own = np.stack([200 + 20 * np.sin(x / 30), 60 + 0 * x, 50 + 10 * np.cos(y / 17)], 2)
    behind = np.stack([20 + 0 * x, 170 + 20 * np.sin(x / 50), 40 + 0 * x], 2)
    share = alpha[:, :, None] / 255
    return np.rint(share * own + (1 - share) * behind).astype(np.uint8), alpha, own


@pytest.fixture(scope="module")
def disc():
    return soft_disc(240, 320)


def as_map(alpha):
    return alpha.astype(np.float32) / 255


@pytest.mark.parametrize("size", [(240, 320), (LONGEST + 400, LONGEST + 700)])
def test_the_old_background_leaves_the_edge(size):
    photo, alpha, own = soft_disc(*size)
    edge = (alpha > 25) & (alpha < 230)
    result = np.asarray(cut_out(Photo(photo, photo), as_map(alpha)))
    assert np.array_equal(result[:, :, 3], alpha)
    assert np.array_equal(result[alpha == 255][:, :3], photo[alpha == 255])
    assert np.abs(photo[edge] - own[edge]).mean() > 35
    assert np.abs(result[edge][:, :3] - own[edge]).mean() < 8
    # Nothing of the green that was cut away stays in the file.
    hidden = result[alpha == 0][:, :3]
    assert hidden[:, 1].mean() < 90


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 3000), (3000, 1), (2, 2)])
@pytest.mark.parametrize("level", [0, 100, 255])
def test_any_shape_and_flat_maps(shape, level):
    photo = np.full((*shape, 3), 90, np.uint8)
    result = foreground(photo, np.full(shape, level, np.uint8))
    assert (result.shape, result.dtype) == (photo.shape, np.uint8)


def test_colours_are_the_same_every_time():
    photo, half = np.full((1, 2, 3), 90, np.uint8), np.full((1, 2), 128, np.uint8)
    assert {foreground(photo, half).tobytes() for _ in range(50)} == {photo.tobytes()}


def test_transparent_photos_stay_transparent_and_keep_their_colours(disc):
    photo, alpha, _ = disc
    own_alpha = np.zeros_like(alpha)
    own_alpha[60:180, 80:240] = 180
    picture = read_photo(np.dstack([photo, own_alpha]))
    result = np.asarray(cut_out(picture, np.ones(alpha.shape, np.float32)))
    assert np.array_equal(result[:, :, :3], photo)
    assert np.array_equal(result[:, :, 3], own_alpha)
    result = np.asarray(cut_out(picture, as_map(alpha)))
    assert np.array_equal(result[:, :, 3], np.minimum(own_alpha, alpha))


def test_colours_to_lie_on(disc):
    photo, alpha, _ = disc
    picture = Photo(photo, photo)
    cut = cut_out(picture, as_map(alpha))
    for word, colour in (("white", (255, 255, 255)), ("#1e90ff", (30, 144, 255)), ("rgb(1,2,3)", (1, 2, 3))):
        laid = Background.named(word).under(cut, picture)
        assert laid.mode == "RGB"
        assert laid.getpixel((0, 0)) == colour
        assert laid.getpixel((160, 120)) == tuple(photo[120, 160])
    half = Background.named("#ff000080").under(cut, picture)
    assert half.mode == "RGBA"
    assert half.getpixel((0, 0)) == (255, 0, 0, 128)
    assert half.getpixel((160, 120))[3] == 255


@pytest.mark.parametrize("size", [(40, 30), (500, 100), (100, 500), (1, 1)])
def test_pictures_to_lie_on_fill_the_frame(disc, tmp_path, size):
    photo, alpha, _ = disc
    picture = Photo(photo, photo)
    Image.new("RGB", size, (0, 0, 200)).save(tmp_path / "ground.png")
    laid = Background.named(str(tmp_path / "ground.png")).under(cut_out(picture, as_map(alpha)), picture)
    assert (laid.mode, laid.size) == ("RGB", (320, 240))
    assert [laid.getpixel(corner) for corner in ((0, 0), (319, 239))] == [(0, 0, 200)] * 2


def test_a_blurred_background_has_nothing_of_the_object(disc):
    photo, alpha, _ = disc
    noise = np.random.default_rng(0).integers(-20, 20, photo.shape)
    photo = (photo + noise).clip(0, 255).astype(np.uint8)
    picture = Photo(photo, photo)
    laid = np.asarray(Background.named("blur").under(cut_out(picture, as_map(alpha)), picture)).astype(float)
    assert np.abs(laid[alpha == 255] - photo[alpha == 255]).max() == 0
    outside = alpha == 0
    assert laid[:40, :40].std(axis=(0, 1)).max() < photo[:40, :40].std(axis=(0, 1)).max() / 2
    # Beside the object too it is green: the red has not spread.
    assert (laid[outside][:, 0] < 80).all()


def test_blur_leaves_a_transparent_photo_transparent(disc):
    photo, alpha, _ = disc
    own_alpha = np.full_like(alpha, 255)
    own_alpha[:20] = 0
    picture = read_photo(np.dstack([photo, own_alpha]))
    laid = Background.named("blur").under(cut_out(picture, as_map(alpha)), picture)
    assert np.array_equal(np.asarray(laid.getchannel("A")), own_alpha)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 3)])
def test_blur_of_tiny_pictures(size):
    photo = np.full((*size, 3), 90, np.uint8)
    picture = Photo(photo, photo)
    cut = cut_out(picture, np.full(size, 0.5, np.float32))
    assert np.asarray(Background().under(cut, picture)).tolist() == photo.tolist()


def test_invalid_backgrounds_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"text")
    for word, reason in (("no such colour", "neither a colour"), (str(tmp_path / "a.jpg"), "not a picture")):
        with pytest.raises(ImageError, match=reason):
            Background.named(word)


def test_trimming_keeps_what_is_seen(disc):
    photo, alpha, _ = disc
    haze = np.maximum(as_map(alpha), 0.01)
    cut = cut_out(Photo(photo, photo), haze)
    cropped = trimmed(cut, cut)
    assert cropped is not None
    rows, columns = np.flatnonzero((alpha > 12).any(1)), np.flatnonzero((alpha > 12).any(0))
    assert cropped.size == (np.ptp(columns) + 1, np.ptp(rows) + 1)
    nothing = cut_out(Photo(photo, photo), np.zeros_like(haze))
    assert trimmed(nothing, nothing) is None


def test_binary_maps():
    assert binary(np.array([[0, 0.5, 0.51, 1]], np.float32), 0.5).tolist() == [[0, 0, 1, 1]]


def test_maps_and_cut_outs_are_known_by_their_mark(disc, tmp_path):
    photo, alpha, _ = disc
    for name, picture in (("map", Image.fromarray(alpha)), ("cut", cut_out(Photo(photo, photo), as_map(alpha)))):
        save_marked(picture, tmp_path / f"{name}.png")
        assert is_marked(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.jpg").write_bytes(marked_png(picture))
        assert is_marked(tmp_path / f"{name}.jpg")
        picture.save(tmp_path / "plain.png")
        with Image.open(tmp_path / f"{name}.png") as again:
            again.save(tmp_path / "edited.png")
        assert not is_marked(tmp_path / "plain.png")
        assert not is_marked(tmp_path / "edited.png")
    assert not is_marked(tmp_path)
    assert not is_marked(tmp_path / "missing.png")


def test_only_a_cut_out_waits_for_pymatting():
    code = "import sys, dgrl.images.cutouts; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_folders_that_numba_cannot_write_to_do_no_harm():
    code = """if True:
        import numba.core.caching as caching, numpy as np, sys
        cache = caching.CacheImpl
        cache._locator_classes = [one for one in cache._locator_classes if "UserProvided" in one.__name__]
        from dgrl.images.foreground import foreground
        half = foreground(np.full((9, 9, 3), 90, np.uint8), np.full((9, 9), 128, np.uint8))
        sys.exit("pymatting.alpha" in sys.modules or half.shape != (9, 9, 3))
    """
    completed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
