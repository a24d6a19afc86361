"""RLN's maps, stored once: what BRN reads of them, and that they lead to the same training."""

import dataclasses

import numpy as np
import torch
from PIL import Image

from dgrl import DGRL
from dgrl.images import read_image, square, to_tensor
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import train
from dgrl.training.stages import make_stage
from dgrl.training.stored import doubted
from tests.helpers.networks import TRAINED, filled, write_pairs

RECIPE = TrainingConfig(
    stage="brn", stored_maps=True, doubt_share=0, augment=False, crop=32, batch_size=2, max_updates=2, workers=0
)


def test_stored_maps_are_rlns_and_made_once(tmp_path):
    pairs = write_pairs(tmp_path / "data", 3)
    model = filled(DGRL(TRAINED))
    stage = make_stage(model, RECIPE)
    stage.store_maps(pairs, tmp_path / "maps")
    data = stage.make_data(pairs)
    times = [file.stat().st_mtime_ns for file in sorted((tmp_path / "maps").iterdir())]
    item = data[1]
    picture = to_tensor(read_image(pairs[1].image))
    with torch.no_grad():
        expected = model.sizing.for_brn(picture, model.localise(picture).saliency, 64)[1][0]
    torch.testing.assert_close(item.priors, expected, atol=0.51 / 255, rtol=0)
    torch.testing.assert_close(item.images, square(picture, 64)[0], atol=1 / 255, rtol=0)
    assert item.masks.shape == (1, 64, 64)
    assert item.corners.shape == (RECIPE.crops_per_picture, 2)
    stage.store_maps(pairs, tmp_path / "maps")
    assert times == [file.stat().st_mtime_ns for file in sorted((tmp_path / "maps").iterdir())]


def test_flips_take_the_stored_map_along(tmp_path):
    pairs = write_pairs(tmp_path / "data", 1)
    config = TrainingConfig(stage="brn", stored_maps=True, doubt_share=0, crop=32)
    stage = make_stage(filled(DGRL(TRAINED)), config)
    stage.store_maps(pairs, tmp_path / "maps")
    data = stage.make_data(pairs)
    gradient = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    Image.fromarray(gradient).save(data.files[0])
    sides = set()
    for data.epoch in range(8):
        mask, prior = data[0].masks, data[0].priors
        sides.add((bool(prior[0, 0, 0] < 0.5), float((mask[0] * torch.arange(64)).sum() / mask.sum()) < 32))
    assert len(sides) == 2, "map and mask turn together"


def test_a_doubted_map_keeps_its_order_and_is_less_sure():
    torch.manual_seed(0)
    saliency = torch.linspace(0.001, 0.999, 101).view(1, 1, 101)
    spans, middles = [], []
    for _ in range(50):
        doubted_map = doubted(saliency)
        assert (doubted_map.diff() > 0).all()
        odds = doubted_map.logit()
        spans.append(float((odds.max() - odds.min()) / (saliency.logit().max() - saliency.logit().min())))
        middles.append(float(doubted_map[0, 0, 50]))
    assert 0.2 <= min(spans) < 0.35
    assert 0.85 < max(spans) <= 1.0001
    assert min(middles) < 0.3
    assert max(middles) > 0.7, "what was as good as certain may lie on either side"


def test_a_share_of_the_stored_maps_is_doubted(tmp_path):
    pairs = write_pairs(tmp_path / "data", 1)
    model = filled(DGRL(TRAINED))
    priors = {}
    for share in (0.0, 0.5):
        stage = make_stage(model, dataclasses.replace(RECIPE, doubt_share=share))
        stage.store_maps(pairs, tmp_path / "maps")
        data = stage.make_data(pairs)
        for data.epoch in range(12):
            priors[share, data.epoch] = data[0].priors
    assert all(torch.equal(priors[0.0, epoch], priors[0.0, 0]) for epoch in range(12))
    same = [torch.equal(priors[0.5, epoch], priors[0.0, 0]) for epoch in range(12)]
    assert any(same)
    assert not all(same)


def test_brn_learns_from_stored_maps(tmp_path):
    pairs = write_pairs(tmp_path / "data", 4)
    torch.manual_seed(0)
    model = DGRL(TRAINED)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(model, pairs, tmp_path / "run", RECIPE)
    assert len(list((tmp_path / "run" / "maps").glob("*.png"))) == 4
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) != (name.startswith("brn.layers") and weight.is_floating_point())
