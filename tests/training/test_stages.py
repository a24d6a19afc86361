"""Each stage computes and trains what it should; the published update rule is compared with a plain version of it."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from dgrl import DGRL
from dgrl.data.batch import Batch
from dgrl.training.config import TrainingConfig, preset
from dgrl.training.loop import train
from dgrl.training.losses import localisation_loss
from dgrl.training.stages import make_stage, published_multiplier
from tests.helpers.networks import TRAINED, disc, write_pairs

BATCH = Batch(
    torch.rand(2, 3, 64, 64),
    torch.cat([disc(64, 64, (30, 30), 12)] * 2),
    corners=torch.zeros(2, 1, 2, dtype=torch.long),
)


def stage_of(name, **changes):
    torch.manual_seed(1)
    model = DGRL(TRAINED)
    return model, make_stage(model, TrainingConfig(stage=name, **changes))


def test_brn_trains_on_the_last_steps_map_at_its_own_size():
    model, stage = stage_of("brn", crop=64)
    seen = []
    hook = model.brn.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    loss = stage(BATCH)
    hook.remove()
    with torch.no_grad():
        expected = model.rln.eval()(BATCH.images).saliency
    assert torch.equal(seen[0][0], BATCH.images)
    torch.testing.assert_close(seen[0][1], expected)
    loss.backward()
    assert all(parameter.grad is None for parameter in model.rln.parameters())
    assert all(parameter.grad is not None for parameter in model.brn.parameters())


def test_joint_training_reaches_rln_through_the_map_that_brn_refines():
    model, stage = stage_of("joint", crop=64)
    loss = stage(BATCH)
    alone = localisation_loss(model.rln(BATCH.images), BATCH.masks, stage.config)
    refined = loss - alone
    gradients = torch.autograd.grad(refined, list(model.rln.backbone.parameters()), retain_graph=True)
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0
    stage(BATCH).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("name", ["rln", "joint"])
def test_frozen_blocks_keep_their_weights_and_the_others_learn(name, steps):
    model, stage = stage_of(name, crop=64, steps=steps, frozen_blocks=2)
    stage(BATCH).backward()
    blocks = list(model.rln.backbone.children())
    for number, block in enumerate(blocks):
        learns = [parameter.grad is not None for parameter in block.parameters()]
        assert not any(learns) if number < 2 else all(learns), f"conv{number + 1}"
    make_stage(model, TrainingConfig(stage=name))
    assert all(parameter.requires_grad for parameter in model.rln.parameters()), "another training starts afresh"


def test_every_parameter_has_one_rate():
    for name in ("rln", "brn", "joint"):
        for multipliers in (False, True):
            _, stage = stage_of(name, multipliers=multipliers)
            groups = stage.parameter_groups()
            held = [id(parameter) for group in groups for parameter in group["params"]]
            assert sorted(held) == sorted(id(parameter) for parameter in stage.parameters())


def test_heads_may_learn_more_slowly_than_the_feedback():
    _, stage = stage_of("rln", learning_rate=1e-3, backbone_learning_rate=1e-4, head_rate=0.25)
    peaks = {id(parameter): group["peak"] for group in stage.parameter_groups() for parameter in group["params"]}
    expected = {"heads": 2.5e-4, "recurrent_step": 1e-3, "backbone": 1e-4}
    for name, parameter in stage.named_parameters():
        assert peaks[id(parameter)] == expected[name.split(".")[1]], name


def test_published_multipliers_are_those_of_the_layers():
    """`lr_mult`: 1 and 2 in the backbone, 1 in the feedback, 10 and 20 in the heads, 1 in BRN."""
    _, stage = stage_of("joint")
    by_part = {}
    for name, _ in stage.named_parameters():
        part = name.split(".")[1] if name.startswith("rln.") else "brn"
        kind = name.rsplit(".", 1)[1]
        by_part.setdefault((part, kind), set()).add(published_multiplier(name))
    assert by_part == {
        ("backbone", "weight"): {1},
        ("backbone", "bias"): {2},
        ("recurrent_step", "weight"): {1},
        ("heads", "weight"): {10},
        ("heads", "bias"): {20},
        ("heads", "scale"): {1},
        ("brn", "weight"): {1},
        ("brn", "bias"): {1},
    }


def test_the_paper_preset_is_the_published_training():
    config = preset("paper", "rln")
    assert (config.batch_size, config.size, config.momentum, config.weight_decay) == (1, 384, 0.99, 5e-4)
    assert (config.backbone_learning_rate, preset("paper", "brn").learning_rate) == (1e-10, 1e-8)
    assert (config.region_weight, config.attention_weight, config.clip, config.augment) == (0, 0, None, False)
    assert preset("paper", "brn", epochs=3) == dataclasses.replace(preset("paper", "brn"), epochs=3)
    assert preset("default", "brn") == TrainingConfig(stage="brn")
    with pytest.raises(ValueError, match="'fast' is unknown"):
        preset("fast", "rln")


@pytest.mark.parametrize("name", ["rln", "brn"])
def test_ten_updates_of_the_paper_preset_are_caffes(tmp_path, name):
    """Caffe's SGDSolver: V ← momentum · V + rate · multiplier · (gradient + decay · W); W ← W − V.

    The rates are the published ones for a ResNet-50 at 384²; these tiny networks need larger ones to move at all.
    """
    pairs = write_pairs(tmp_path / "drawn", 4)
    faster = {"learning_rate": 1e-6} if name == "brn" else {"backbone_learning_rate": 1e-7}
    config = preset("paper", name, size=64, max_updates=10, workers=0, seed=3, **faster)
    network = dataclasses.replace(TRAINED, prior="binary")

    torch.manual_seed(1)
    trained = train(DGRL(network), pairs, tmp_path / "run", config)

    torch.manual_seed(1)
    model = DGRL(network)
    untrained = {key: value.clone() for key, value in model.state_dict().items()}
    data = make_stage(model, config).make_data(pairs)
    part = getattr(model, name).train()
    rate = config.learning_rate if name == "brn" else config.backbone_learning_rate
    velocity = {key: torch.zeros_like(value) for key, value in part.named_parameters()}
    for update in range(10):
        epoch, position = divmod(update, 4)
        order = torch.randperm(4, generator=torch.Generator().manual_seed(hash((config.seed, epoch))))
        data.epoch = epoch
        item = data[int(order[position])]
        image, target = item.images[None], item.masks.long()
        if name == "rln":
            loss = sum(F.cross_entropy(step.logits, target, reduction="sum") for step in model.rln(image).steps)
        else:
            with torch.no_grad():
                prior = model.rln.eval()(image).saliency
            refined = model.brn(image, prior).evidence.float()
            loss = F.cross_entropy(torch.cat([torch.zeros_like(refined), refined], 1), target, reduction="sum")
        part.zero_grad()
        loss.backward()
        with torch.no_grad():
            for key, weight in part.named_parameters():
                step = rate * published_multiplier(f"{name}.{key}") * (weight.grad + 5e-4 * weight)
                velocity[key] = 0.99 * velocity[key] + step
                weight -= velocity[key]
    moved, ours = 0.0, trained.state_dict()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(ours[key], value, atol=1e-5, rtol=0, msg=key)
        moved = max(moved, float((value - untrained[key]).abs().max()))
    assert moved > 1e-3, "nothing has been learned: the test says nothing"
