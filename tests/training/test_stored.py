"""RLN's maps, stored once: what BRN reads of them, and that they lead to the same training."""

import numpy as np
import torch
from PIL import Image

from dgrl import DGRL
from dgrl.images import read_image, square, to_tensor
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import train
from dgrl.training.stages import make_stage
from tests.helpers.networks import TRAINED, filled, write_pairs

RECIPE = TrainingConfig(stage="brn", stored_maps=True, augment=False, crop=32, batch_size=2, max_updates=2, workers=0)


def test_stored_maps_are_rlns_and_made_once(tmp_path):
    pairs = write_pairs(tmp_path / "data", 3)
    model = filled(DGRL(TRAINED))
    stage = make_stage(model, RECIPE)
    stage.store_maps(pairs, tmp_path / "maps")
    data = stage.make_data(pairs)
    times = [file.stat().st_mtime_ns for file in sorted((tmp_path / "maps").iterdir())]
    image, mask, corners, prior = data[1]
    picture = to_tensor(read_image(pairs[1].image))
    with torch.no_grad():
        expected = model.sizing.for_brn(picture, model.localise(picture).saliency, 64)[1][0]
    torch.testing.assert_close(prior, expected, atol=0.51 / 255, rtol=0)
    torch.testing.assert_close(image, square(picture, 64)[0], atol=1 / 255, rtol=0)
    assert mask.shape == (1, 64, 64)
    assert corners.shape == (RECIPE.crops_per_picture, 2)
    stage.store_maps(pairs, tmp_path / "maps")
    assert times == [file.stat().st_mtime_ns for file in sorted((tmp_path / "maps").iterdir())]


def test_flips_take_the_stored_map_along(tmp_path):
    pairs = write_pairs(tmp_path / "data", 1)
    config = TrainingConfig(stage="brn", stored_maps=True, crop=32)
    stage = make_stage(filled(DGRL(TRAINED)), config)
    stage.store_maps(pairs, tmp_path / "maps")
    data = stage.make_data(pairs)
    gradient = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    Image.fromarray(gradient).save(data.files[0])
    sides = set()
    for data.epoch in range(8):
        _, mask, _, prior = data[0]
        sides.add((bool(prior[0, 0, 0] < 0.5), float((mask[0] * torch.arange(64)).sum() / mask.sum()) < 32))
    assert len(sides) == 2, "map and mask turn together"


def test_brn_learns_from_stored_maps(tmp_path):
    pairs = write_pairs(tmp_path / "data", 4)
    torch.manual_seed(0)
    model = DGRL(TRAINED)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(model, pairs, tmp_path / "run", RECIPE)
    assert len(list((tmp_path / "run" / "maps").glob("*.png"))) == 4
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) != (name.startswith("brn.layers") and weight.is_floating_point())
