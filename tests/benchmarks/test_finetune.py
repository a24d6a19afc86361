"""The benchmark of fine-tuning measures each share of the change on its own."""

import torch

from benchmarks.finetune import tune
from dgrl import DGRL
from dgrl.training.config import TrainingConfig
from dgrl.training.kept_out import weights_of
from tests.helpers.networks import TINY, filled, write_pairs
from tests.helpers.reset_accelerate import reset_accelerate  # noqa: F401


def test_each_share_is_measured_on_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("dgrl.training.keeping.PHOTOS", 1)
    network = filled(DGRL(TINY))
    pairs = write_pairs(tmp_path / "drawn", 4)
    recipe = TrainingConfig(size=64, batch_size=2, max_updates=1, workers=0, kept_change=None)
    start = weights_of(network)
    names, weights = [], []
    for name in tune(network, pairs, tmp_path / "run", recipe, [1.0, 0.5, 0.0]):
        names.append(name)
        weights.append({key: value.clone() for key, value in network.state_dict().items() if value.is_floating_point()})
    assert [name.partition(":")[0] for name in names] == ["100%", "50%", "0%"]
    assert "move by 0.0000" in names[2]
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], torch.lerp(start[key], value, 0.5))
        torch.testing.assert_close(weights[2][key], start[key])
