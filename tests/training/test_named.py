"""Pictures in which weight maps name a place: what they are made of, and that naming reaches the loss."""

import dataclasses

import pytest
import torch

from dgrl import DGRL
from dgrl.data.batch import Batch
from dgrl.data.pairs import plain_resize
from dgrl.taps import Recorder, listening
from dgrl.training.config import TrainingConfig
from dgrl.training.losses import mask_as_map
from dgrl.training.named import EVERY, FIRST, LEAST_SHARE, NOTHING, GivenMaps, NamedData, prompted, two_in_one
from dgrl.training.stages import make_stage
from tests.helpers.networks import TINY, TRAINED, disc, filled, write_pairs

WHITE, BLACK = torch.ones(3, 64, 64), torch.zeros(3, 64, 64)
MASK = disc(64, 64, (32, 32), 20)[0]


@pytest.mark.parametrize("kind", [0, 1])
def test_halves_contain_both_pictures_and_only_the_mask_of_the_first(kind):
    torch.manual_seed(kind)
    orders = set()
    for _ in range(10):
        image, mask = two_in_one(WHITE, MASK, BLACK, MASK, kind)
        assert image.shape == (3, 64, 64)
        assert mask.shape == (1, 64, 64)
        assert image.mean() == pytest.approx(0.5)
        assert mask.mean() == pytest.approx(float(MASK.mean()) / 2, rel=0.05)
        assert (image[:1][mask > 0] == 1).all(), "the mask lies on the first picture"
        orders.add(bool(image[0, 0, 0]))
    assert orders == {True, False}


def test_pasting_prompts_the_visible_object():
    torch.manual_seed(0)
    other = disc(64, 64, (40, 40), 20)[0]
    seen = set()
    for _ in range(10):
        image, mask = two_in_one(WHITE, MASK, BLACK, other, 2)
        assert (image[:1][mask > 0] == 1).all()
        seen.add(int(mask.sum()))
    assert seen == {int(MASK.sum()), int((MASK * (1 - other)).sum())}


def test_prompted_pictures_have_the_requested_share_and_repeat_with_the_seed(tmp_path):
    pairs = write_pairs(tmp_path, 40)
    for share in (0.0, 1.0):
        data = NamedData(pairs, plain_resize(64), named_share=share)
        items = [data[i] for i in range(len(data))]
        given = [int(item.given) for item in items]
        assert all(not item.masks.any() or item.masks.mean() >= LEAST_SHARE for item in items), "or next to nothing"
        touched = [(item.places * item.masks).any() or not item.masks.any() for item in items]
        assert all(touched), "the prompt touches its object"
        nowhere = sum(not item.places.any() for item in items)
        grounds = sum(not item.masks.any() for item in items) - nowhere
        assert (0 < grounds < 20 and 0 < nowhere < 20) if share else grounds == nowhere == 0
        assert given.count(FIRST) == given.count(EVERY) == 0 if share == 0 else given.count(NOTHING) < 8
    again = NamedData(pairs, plain_resize(64), named_share=1.0)
    same = data[3].parts(), again[3].parts()
    assert list(same[0]) == ["images", "masks", "given", "places"]
    assert all(
        torch.equal(value, repeated) for value, repeated in zip(*(parts.values() for parts in same), strict=True)
    )
    alone = make_stage(DGRL(TRAINED), TrainingConfig(size=64)).make_data(pairs)
    assert list(alone[0].parts()) == ["images", "masks"]
    without_maps = DGRL(dataclasses.replace(TRAINED, context=False))
    data = make_stage(without_maps, TrainingConfig(named_share=1.0, size=64)).make_data(pairs)
    assert data[0].given is None


def test_prompts_are_masks_boxes_and_discs_of_many_sizes():
    torch.manual_seed(0)
    place = disc(384, 384, (200, 150), 90)[0]
    place[:, 200:] = 0  # no rectangle, so that its box is larger
    box = torch.zeros_like(place)
    box[:, 111:200, 61:240] = 1
    kinds, radii = {"mask": 0, "box": 0, "disc": 0}, []
    for _ in range(120):
        prompt = prompted(place)
        assert set(prompt.unique().tolist()) == {0, 1}
        assert (prompt * place).any()
        kind = "mask" if torch.equal(prompt, place) else "box" if torch.equal(prompt, box) else "disc"
        kinds[kind] += 1
        if kind == "disc":
            rows, columns = torch.nonzero(prompt[0], as_tuple=True)
            radii.append(max(int(rows.max() - rows.min()), int(columns.max() - columns.min())) / 2)
    assert min(kinds.values()) > 20, kinds
    assert min(radii) >= 12
    assert max(radii) <= 64
    assert max(radii) - min(radii) > 30


def test_prescribed_maps_replace_only_those_of_prompted_pictures():
    model = filled(DGRL(TINY))
    masks = disc(96, 96, (30, 60), 20).repeat(4, 1, 1, 1)
    masks[3] = 0
    images = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    usual, recorder = Recorder(), Recorder()
    listener = GivenMaps(masks, torch.tensor([NOTHING, FIRST, EVERY, FIRST]))
    with torch.no_grad():
        with listening(usual):
            model.rln(images)
        with listening(lambda name, value: recorder(name, listener(name, value))):
            model.rln(images)
    for name, maps in recorder.values.items():
        if not name.endswith("weight_map"):
            continue
        wanted = mask_as_map(masks, tuple(maps.shape[-2:]), 0.1)
        torch.testing.assert_close(maps[0], usual.values[name][0])
        torch.testing.assert_close(maps[2], wanted[2])
        if ".t0." in name:
            torch.testing.assert_close(maps[1], wanted[1])
            assert not maps[3].any(), "who looks nowhere sees nothing"
        else:
            assert not torch.allclose(maps[1], wanted[1], atol=0.1)


def test_training_asks_for_the_named_object(tmp_path):
    torch.manual_seed(1)
    stage = make_stage(DGRL(TRAINED), TrainingConfig(named_share=1.0, size=64))
    images, masks = torch.rand(2, 3, 64, 64), disc(64, 64, (20, 20), 12).repeat(2, 1, 1, 1)
    unnamed = stage(Batch(images, masks, torch.tensor([NOTHING] * 2), masks))
    torch.testing.assert_close(unnamed, stage(Batch(images, masks)))
    given = torch.tensor([EVERY] * 2)
    named = [stage(Batch(images, masks, given, places)) for places in (masks, masks.flip(-1))]
    assert not torch.isclose(named[0], unnamed)
    assert not torch.isclose(named[0], named[1])


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0])
def test_a_mask_as_a_map_has_a_mean_of_one_and_its_share_outside(spread):
    masks = torch.zeros(2, 1, 32, 32)
    masks[0, :, :16, :16] = 1
    maps = mask_as_map(masks, (8, 8), spread)
    assert maps.mean((1, 2, 3)).tolist() == pytest.approx([1, 1])
    assert float(maps[0, :, :4, :4].sum()) == pytest.approx(64 * (1 - spread + spread / 4))
    assert (maps[1] == 1).all()
