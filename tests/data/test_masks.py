"""Masks and maps by what they mean: alpha channels, palettes of classes, 0 and 1, 16 bits."""

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl.data.checking import EMPTY, UNREADABLE, Folders, check
from dgrl.data.masks import ALPHA, BRIGHTNESS, CLASSES, OBJECTS, read_levels, read_mask
from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import evaluate_maps
from dgrl.images import ImageError
from tests.helpers.hostile import wide_profile
from tests.helpers.networks import draw_photo, write_pairs

PHOTO, MASK = draw_photo(40, 60)
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, *(0, 0, 64) * 251, 224, 224, 192]


def saved(path, array, palette=None, **settings):
    image = Image.fromarray(array)
    if palette is not None:
        image = image.copy()
        image.putpalette(palette)
    image.save(path, **settings)
    return path


def with_alpha(kind):
    alpha = MASK[:, :, None]
    if kind == "cut-out":
        return np.dstack([PHOTO, MASK])
    colour = {"white": 255, "black": 0}.get(kind.split()[0], 90)
    return np.concatenate([np.full((40, 60, 1 if "grey" in kind else 3), colour, np.uint8), alpha], 2)


@pytest.mark.parametrize("kind", ["cut-out", "white", "black", "grey 90"])
def test_an_alpha_channel_that_varies_is_the_mask(tmp_path, kind):
    path = saved(tmp_path / "a.png", with_alpha(kind))
    levels = read_levels(path)
    assert levels.meaning == ALPHA
    assert np.array_equal(levels.values, MASK)
    assert np.array_equal(read_mask(path), MASK > 0)


def test_a_palette_with_a_transparent_background(tmp_path):
    path = saved(tmp_path / "a.png", (MASK > 0).astype(np.uint8), [200, 0, 0, 200, 0, 0], transparency=0)
    assert read_levels(path).meaning == ALPHA
    assert np.array_equal(read_mask(path), MASK > 0)


def test_alpha_of_arrays_and_pictures_in_memory():
    rgba = with_alpha("white")
    for source in (rgba, Image.fromarray(rgba), torch.from_numpy(rgba).permute(2, 0, 1)):
        assert np.array_equal(read_mask(source), MASK > 0)


@pytest.mark.parametrize("opacity", [255, 250])
def test_an_opaque_alpha_channel_is_ignored(tmp_path, opacity):
    rgba = np.dstack([MASK, MASK, MASK, np.full_like(MASK, opacity)])
    assert read_levels(saved(tmp_path / "a.png", rgba)).meaning == BRIGHTNESS
    assert np.array_equal(read_mask(tmp_path / "a.png"), MASK > 0)


def test_a_cut_out_of_nothing_is_an_empty_mask(tmp_path):
    assert not read_mask(saved(tmp_path / "a.png", np.dstack([PHOTO, np.zeros_like(MASK)]))).any()


def test_greys_whose_black_is_marked_as_transparent_keep_their_levels(tmp_path):
    grey = (MASK // 255 * 100 + 50).astype(np.uint8)
    grey[0] = 0
    path = saved(tmp_path / "a.png", grey, transparency=0)
    assert np.array_equal(read_levels(path).values, grey)


def test_every_class_but_the_background_is_salient(tmp_path):
    indices = np.array([[0, 1, 2, 3, 20, 255]], np.uint8)
    path = saved(tmp_path / "a.png", indices, VOC)
    assert read_levels(path).meaning == CLASSES
    assert read_mask(path).tolist() == [[0, 1, 1, 1, 1, 0]]


def test_the_background_of_a_palette_is_its_black_if_that_is_not_the_first(tmp_path):
    assert read_mask(saved(tmp_path / "a.png", np.array([[0, 1]], np.uint8), [255, 0, 0, 0, 0, 0])).tolist() == [[1, 0]]


def test_classes_may_come_in_greys(tmp_path):
    greys = [level for level in range(256) for _ in range(3)]
    assert read_mask(saved(tmp_path / "a.png", np.array([[0, 1, 7]], np.uint8), greys)).tolist() == [[0, 1, 1]]
    # Brightness, as a program writes it that saves little files.
    assert read_mask(saved(tmp_path / "b.png", np.array([[0, 90, 200, 255]], np.uint8), greys)).tolist() == [
        [0, 0, 1, 1]
    ]
    assert read_mask(saved(tmp_path / "c.png", np.array([[0, 1]], np.uint8), [255] * 3 + [0] * 3)).tolist() == [[1, 0]]
    with pytest.raises(ImageError, match=r"d\.png: its grey palette"):
        read_mask(saved(tmp_path / "d.png", np.array([[0, 1, 255]], np.uint8), greys))


def test_palettes_of_maps_are_colours(tmp_path):
    path = saved(tmp_path / "a.png", np.array([[0, 1, 2]], np.uint8), VOC)
    assert read_levels(path, classes=False).values.max() < 128


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("top", [1, 255])
def test_masks_of_0_and_1_and_8_bits_in_more(tmp_path, kind, top):
    suffix = "tif" if kind is np.int32 else "png"
    path = saved(tmp_path / f"a.{suffix}", (MASK > 0).astype(kind) * kind(top))
    assert np.array_equal(read_mask(path), MASK > 0)


def test_brightness_as_ever(tmp_path):
    assert read_mask(saved(tmp_path / "a.png", np.array([[0, 127, 128, 255]], np.uint8))).tolist() == [[0, 0, 1, 1]]
    assert read_mask(saved(tmp_path / "b.png", np.array([[False, True]]))).tolist() == [[0, 1]]
    assert read_mask(np.array([[0, 1]], np.uint8)).tolist() == [[0, 1]]
    floats = saved(tmp_path / "c.tif", np.array([[0, 0.4, 0.6]], np.float32))
    assert read_mask(floats).tolist() == [[0, 0, 1]]


def test_profiles_do_not_change_a_mask(tmp_path):
    grey = np.arange(256, dtype=np.uint8)[None]
    path = saved(tmp_path / "a.png", np.dstack([grey] * 3), icc_profile=wide_profile())
    assert np.array_equal(read_levels(path).values, grey)


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path, 3)


def test_the_meaning_of_masks_is_printed_once_per_folder(pairs, tmp_path):
    for pair in pairs:
        with Image.open(pair.mask) as mask:
            white = Image.new("RGB", mask.size, "white")
            white.putalpha(mask.copy())
        white.save(pair.mask)
    checked = check([Folders(tmp_path / "image", tmp_path / "mask")])
    assert len(checked.sound()) == 3
    assert checked.notes == [f"{tmp_path / 'mask'}: masks with {ALPHA}: 3"]


def test_the_real_cause_is_named(pairs, tmp_path):
    saved(pairs[0].mask, np.full((64, 80), 20, np.uint8))
    saved(pairs[1].mask, np.full((64, 80), 3000, np.uint16))
    greys = [level for level in range(256) for _ in range(3)]
    saved(pairs[2].mask, np.tile(np.array([0, 1, 255, 0], np.uint8), (64, 20)), greys)
    problems = check([Folders(tmp_path / "image", tmp_path / "mask")]).problems
    assert [problem.kind for problem in problems] == [EMPTY, EMPTY, UNREADABLE]
    assert "brightest pixel has 20 of 255" in problems[0].detail
    assert "brightest pixel has 11 of 255" in problems[1].detail
    assert "classes and 255 for void" in problems[2].detail


def test_cut_outs_are_measured_by_their_alpha(pairs, tmp_path):
    """Perfect cut-outs and perfect masks have the same numbers, and the protocol says which they were."""
    maps = tmp_path / "maps"
    maps.mkdir()
    for pair in pairs:
        with Image.open(pair.image) as photo, Image.open(pair.mask) as mask:
            cut = photo.convert("RGB")
            cut.putalpha(mask.convert("L"))
        cut.save(maps / f"{pair.stem}.png")
    result = evaluate_maps(maps, pairs)
    assert result.scores["maps"]["MAE"] == 0
    assert result.cutouts == 3
    assert "alpha channels of 3 cut-outs" in result.protocol
    assert evaluate_maps(tmp_path / "mask", pairs).scores["mask"] == result.scores["maps"]
    assert np.array_equal(Pair(pairs[0].image, maps / "000.png").truth(), pairs[0].truth())


INSIDE = np.zeros((30, 40), bool)
INSIDE[5:15, 5:20] = INSIDE[10:28, 25:35] = True


def objects(ground, *colours):
    """Return two rectangles, each with its own colour or number, on a background."""
    values = np.full((30, 40, *np.shape(ground)), ground, np.uint16 if np.ndim(ground) == 0 else np.uint8)
    values[5:15, 5:20], values[10:28, 25:35] = colours
    return values


@pytest.mark.parametrize(
    "colours",
    [
        objects((0, 0, 0), (128, 0, 0), (0, 0, 90)),  # dark ones
        objects((0, 0, 0), (255, 255, 0), (10, 60, 10)),
        objects((60, 0, 200), (255, 255, 255), (250, 10, 10)),  # no black: the ground is what the sides have most of
        objects((255, 255, 255), (0, 0, 250), (80, 0, 0)),
    ],
)
def test_every_colour_but_the_background_is_an_object(tmp_path, colours):
    path = saved(tmp_path / "a.png", colours)
    for source in (path, colours, Image.fromarray(colours)):
        levels = read_levels(source)
        assert levels.meaning == OBJECTS
        assert np.array_equal(levels.values, 255 * INSIDE)
        assert np.array_equal(read_mask(source), INSIDE)
    grey = np.asarray(Image.fromarray(colours).convert("L"))
    assert np.array_equal(read_levels(path, classes=False).values, grey)  # in a map brightness counts


def test_unlabelled_voc_pixels_are_not_objects(tmp_path):
    colours = objects((0, 0, 0), (128, 0, 0), (0, 128, 0))
    colours[4] = 224, 224, 192
    assert np.array_equal(read_mask(saved(tmp_path / "a.png", colours)), INSIDE)


@pytest.mark.parametrize(
    "numbers", [objects(0, 1, 2), objects(0, 7, 26001), objects(0, 300, 20), objects(500, 300, 26001)]
)
def test_numbers_of_objects(tmp_path, numbers):
    levels = read_levels(saved(tmp_path / "a.png", numbers))
    assert levels.meaning == OBJECTS
    assert np.array_equal(levels.values, 255 * INSIDE)


def test_greys_too_dark_for_brightness_are_numbers_of_objects(tmp_path):
    path = saved(tmp_path / "a.png", objects(0, 3, 90).astype(np.uint8))
    assert np.array_equal(read_levels(path).values, 255 * INSIDE)
    assert read_levels(path, classes=False).values.max() == 90


@pytest.mark.parametrize("top", [65535, 255 << 8])
def test_16_bits_of_brightness_stay_so(tmp_path, top):
    soft = np.linspace(0, top, 30 * 40).astype(np.uint16).reshape(30, 40)
    for values in (soft, np.where(INSIDE, top, 0).astype(np.uint16)):
        levels = read_levels(saved(tmp_path / "a.png", values))
        assert levels.meaning == BRIGHTNESS
        assert np.array_equal(levels.values, values >> 8)


def test_a_photo_is_no_mask(tmp_path):
    photo, _ = draw_photo(90, 120)
    with pytest.raises(ImageError, match=r"a\.png: a mask of [\d,]+ colours"):
        read_levels(saved(tmp_path / "a.png", photo))


def test_a_grey_mask_in_a_compressed_colour_file_is_brightness(tmp_path):
    mask = np.asarray(Image.fromarray(np.where(INSIDE, 255, 0).astype(np.uint8)).resize((160, 120)).convert("RGB"))
    levels = read_levels(saved(tmp_path / "a.jpg", mask))
    assert levels.meaning == BRIGHTNESS
    assert levels.values.max() > 240
