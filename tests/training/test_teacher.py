"""A teacher's maps in RLN's targets."""

import dataclasses

import pytest
import torch

from dgrl import DGRL, CheckpointError
from dgrl.data.batch import Batch
from dgrl.training.config import TrainingConfig
from dgrl.training.losses import cross_entropy, localisation_loss
from dgrl.training.named import FIRST, NOTHING
from dgrl.training.stages import make_stage
from tests.helpers.networks import TRAINED, disc, filled


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(5)
    model = filled(DGRL(TRAINED)).eval()
    model.save_pretrained(tmp_path / "teacher")
    return model, TrainingConfig(size=64, teacher=str(tmp_path / "teacher"), teacher_steps=0, teacher_weight=0.25)


def test_targets_are_masks_mixed_with_the_average_over_a_picture_and_its_mirror_image(teacher):
    model, config = teacher
    stage = make_stage(DGRL(TRAINED), config)
    images, masks = torch.rand(3, 3, 64, 64), disc(64, 64, (20, 20), 12).repeat(3, 1, 1, 1)
    masks[2] = 0
    with torch.no_grad():
        plain, mirrored = (model.rln(view, 0).saliency for view in (images, images.flip(3)))
        result = (plain + mirrored.flip(3)) / 2
        output = stage.rln(images)
        targets = 0.75 * masks + 0.25 * result
        targets[2] = 0  # a picture without an object keeps its empty mask
        torch.testing.assert_close(stage(Batch(images, masks)), localisation_loss(output, targets, config))


def test_a_prompted_picture_keeps_its_mask(teacher):
    _, config = teacher
    torch.manual_seed(1)
    stage, alone = (make_stage(DGRL(TRAINED), one) for one in (config, dataclasses.replace(config, teacher=None)))
    alone.load_state_dict(stage.state_dict())
    images, masks = torch.rand(2, 3, 64, 64), disc(64, 64, (20, 20), 12).repeat(2, 1, 1, 1)
    for given, equal in ((FIRST, True), (NOTHING, False)):
        with torch.no_grad():
            losses = [float(one(Batch(images, masks, torch.tensor([given] * 2), masks))) for one in (stage, alone)]
        assert (losses[0] == pytest.approx(losses[1], abs=1e-6)) == equal


def test_the_teacher_is_not_trained(teacher):
    _, config = teacher
    with_teacher, without = (
        make_stage(DGRL(TRAINED), one) for one in (config, dataclasses.replace(config, teacher=None))
    )
    assert with_teacher.state_dict().keys() == without.state_dict().keys()


def test_cross_entropy_of_soft_targets_is_least_where_they_are_met():
    target = torch.full((1, 1, 4, 4), 0.3)
    at = {
        p: float(cross_entropy(torch.tensor([1 - p, p]).log().view(1, 2, 1, 1).expand(1, 2, 4, 4), target))
        for p in (0.2, 0.3, 0.4)
    }
    assert min(at, key=at.__getitem__) == 0.3


def test_a_missing_teacher_is_an_error(tmp_path):
    with pytest.raises(CheckpointError):
        make_stage(DGRL(TRAINED), TrainingConfig(teacher=str(tmp_path)))
