import dataclasses
import json

import pytest
import timm

from dgrl import DGRLConfig


def test_defaults_are_the_published_values():
    config = DGRLConfig()
    assert config.backbone == "resnet50"
    assert config.steps == 2
    assert (config.rln_size, config.brn_size) == (384, 480)
    assert (config.context, config.share_heads) == (True, False)
    assert (config.context_channels, config.side_channels) == (32, 128)
    assert config.kernel_size == 5
    assert config.refinement_channels == (64, 64, 64, 128, 128, 128)
    assert config.refinement_std == 0.01


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DGRLConfig().steps = 3  # type: ignore[misc]


def test_survives_json():
    config = DGRLConfig(backbone="resnet18", refinement_channels=(8, 16), mean=(0.1, 0.2, 0.3), prior="binary")
    assert DGRLConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"steps": -1}, "steps"),
        ({"kernel_size": 4}, "kernel_size"),
        ({"kernel_size": 1}, "kernel_size"),
        ({"kernel_size": -3}, "kernel_size"),
        ({"prior": "hard"}, "prior"),
        ({"refinement_sees": "both"}, "refinement_sees"),
        ({"refinement_padding": "reflect"}, "refinement_padding"),
        ({"rln_size": 100}, "rln_size"),
        ({"rln_size": 0}, "rln_size"),
        ({"brn_size": 0}, "brn_size"),
        ({"refinement_channels": ()}, "refinement_channels"),
        ({"refinement_channels": (8, 0)}, "refinement_channels"),
        ({"context_channels": 0}, "context_channels"),
        ({"side_channels": -8}, "side_channels"),
        ({"refinement_std": 0.0}, "refinement_std"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"std": (1, 1, 0)}, "std"),
    ],
)
def test_settings_out_of_range_are_refused(settings, named):
    with pytest.raises(ValueError, match=named):
        DGRLConfig(**settings)


def test_for_backbone_takes_the_normalisation_of_pre_training():
    name = "tf_efficientnet_lite0"
    pretrained = timm.get_pretrained_cfg(name)
    config = DGRLConfig.for_backbone(name, steps=1)
    assert (config.backbone, config.steps) == (name, 1)
    assert (config.mean, config.std) == (tuple(pretrained.mean), tuple(pretrained.std))
    assert config.mean != DGRLConfig().mean, "the example proves nothing if its normalisation is the default"
    assert DGRLConfig.for_backbone(name, mean=(0.1, 0.2, 0.3)).mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"steps": 1e9}, "steps must be a whole number"),
        ({"steps": 10**9}, "to 16"),
        ({"steps": True}, "steps must be a whole number"),
        ({"backbone": "local-dir:/etc"}, "plain name"),
        ({"backbone": "hf-hub:someone/else"}, "plain name"),
        ({"backbone": 5}, "backbone must be a word"),
        ({"rln_size": 384.0}, "rln_size must be a whole number"),
        ({"brn_size": 10**6}, "to 4096"),
        ({"kernel_size": 10**6 + 1}, "to 31"),
        ({"side_channels": 10**6}, "to 1024"),
        ({"refinement_channels": [10**6]}, "to 1024"),
        ({"refinement_channels": [8] * 100}, "at most 32"),
        ({"refinement_channels": "many"}, "list of whole numbers"),
        ({"mean": [0.5, 0.5]}, "mean must be a list of 3 numbers"),
        ({"mean": [0.5, None, 0.5]}, "mean must be a list of numbers"),
        ({"std": [float("nan")] * 3}, "std must be a list of numbers"),
        ({"context": "yes"}, "true or false"),
    ],
)
def test_a_strangers_configuration_is_bounded_and_refused_in_words(settings, named):
    with pytest.raises(ValueError, match=named):
        DGRLConfig(**settings)
