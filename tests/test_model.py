import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dgrl import DGRL, CheckpointError, DGRLConfig
from dgrl.checkpoint import SHIPPED_WEIGHTS
from tests.helpers.fake_hub import fake_hub
from tests.helpers.networks import TINY, filled

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkpoint(tiny_model, tmp_path):
    folder = tmp_path / "checkpoint"
    tiny_model.save_pretrained(folder)
    return folder


def alter(checkpoint, change):
    """Rewrite the checkpoint's tensors after `change(tensors)`."""
    path = checkpoint / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def set_setting(checkpoint, **settings):
    path = checkpoint / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(("height", "width"), [(50, 70), (200, 33), (1, 1)])
def test_forward(tiny_model, height, width):
    with torch.inference_mode():
        output = tiny_model(torch.rand(2, 3, height, width), steps=1)
    assert output.saliency.shape == (2, 1, height, width)
    assert [step.saliency.shape for step in output.localised.steps] == [(2, 1, 96, 96)] * 2
    assert output.refined.coefficients.shape == (2, 25, 80, 80)
    assert output.refined.prior.shape == output.refined.refined.shape == (2, 1, 80, 80)
    assert 0 <= output.saliency.min() <= output.saliency.max() <= 1


def test_forward_is_localise_then_refine(tiny_model):
    images = torch.rand(1, 3, 80, 80)
    with torch.inference_mode():
        output = tiny_model(images)
        localised = tiny_model.localise(images)
        refined = tiny_model.refine(images, localised.saliency)
    torch.testing.assert_close(output.localised.saliency, localised.saliency)
    torch.testing.assert_close(output.refined.refined, refined.refined)
    torch.testing.assert_close(output.saliency, refined.refined)  # the picture has BRN's size already


def test_brn_gets_the_last_step(tiny_model):
    images = torch.rand(1, 3, 96, 96)
    for steps in (0, 1, 3):
        with torch.inference_mode():
            output = tiny_model(images, steps)
            expected = tiny_model.refine(images, output.localised.steps[steps].saliency)
        torch.testing.assert_close(output.refined.prior, expected.prior)


def test_detect(tiny_model, photo):
    saliency = tiny_model.detect(photo)
    assert saliency.shape == photo.shape[:2]
    assert saliency.dtype == np.float32
    assert saliency.std() > 0.01
    assert np.array_equal(saliency, tiny_model.trace(photo).saliency)
    assert not np.array_equal(saliency, tiny_model.detect(photo, steps=0))
    with torch.inference_mode():
        images = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        np.testing.assert_allclose(saliency, tiny_model(images).saliency[0, 0], atol=0.02)


def test_negative_steps_are_refused(tiny_model, photo):
    with pytest.raises(ValueError, match="steps"):
        tiny_model.detect(photo, steps=-1)


@pytest.mark.parametrize("call", ["detect", "trace"])
def test_weights_that_are_not_finite_are_reported(tiny_model, photo, call):
    broken = copy.deepcopy(tiny_model)
    broken.brn.layers[0].weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        getattr(broken, call)(photo)


def test_saves_and_loads(tiny_model, checkpoint, photo):
    loaded = DGRL.from_pretrained(checkpoint)
    assert sorted(path.name for path in checkpoint.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert loaded.config == tiny_model.config
    assert not loaded.training
    assert np.array_equal(loaded.detect(photo), tiny_model.detect(photo))
    assert np.array_equal(DGRL.from_pretrained(str(checkpoint)).detect(photo), tiny_model.detect(photo))


@pytest.mark.parametrize("changed", [{"prior": "binary"}, {"share_heads": True, "steps": 1}, {"context": False}])
def test_other_settings_come_back(tmp_path, changed):
    model = DGRL(dataclasses.replace(TINY, **changed))
    model.save_pretrained(tmp_path)
    assert DGRL.from_pretrained(tmp_path).config == model.config


def test_default_settings_are_written_too():
    """The mixin sees only a configuration that was passed; `DGRL()` must not be saved without one."""
    with torch.device("meta"):
        model = DGRL()
    assert model._hub_mixin_config == model.config == DGRLConfig()


def test_half_precision_checkpoints_load_as_float32(tiny_model, checkpoint, photo):
    def halve(tensors):
        tensors.update({name: value.half() for name, value in tensors.items() if value.is_floating_point()})

    alter(checkpoint, halve)
    loaded = DGRL.from_pretrained(checkpoint)
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    np.testing.assert_allclose(loaded.detect(photo), tiny_model.detect(photo), atol=0.02)


WEIGHT = "rln.heads.1.context.conv4.mask.weight"


def misshape(tensors):
    tensors[WEIGHT] = tensors[WEIGHT][:, 1:].contiguous()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop(WEIGHT), f"{WEIGHT} is missing"),
        (lambda tensors: tensors.pop("rln.backbone.conv1.bn1.running_mean"), "bn1.running_mean is missing"),
        (lambda tensors: tensors.update({"rln.extra": torch.zeros(1)}), "rln.extra is left over"),
        (misshape, f"{WEIGHT} is (1, 11, 3, 3) instead of (1, 12, 3, 3)"),
    ],
    ids=["missing", "missing statistics", "extra", "misshapen"],
)
def test_tensors_that_do_not_fit_are_refused_by_name(checkpoint, change, said):
    alter(checkpoint, change)
    with pytest.raises(CheckpointError) as error:
        DGRL.from_pretrained(checkpoint)
    assert said in str(error.value)
    assert "model.safetensors" in str(error.value)


def test_many_faults_are_counted(checkpoint):
    alter(checkpoint, lambda tensors: [tensors.pop(name) for name in list(tensors)[:20]])
    with pytest.raises(CheckpointError, match=r"and 15 more"):
        DGRL.from_pretrained(checkpoint)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"kernel_size": 4}, "kernel_size"),
        ({"backbone": "no_such_network"}, "no_such_network"),
        ({"backbone": "convnext_atto"}, "convnext_atto"),
        ({"steps": "two"}, "config.json"),
        ({"context_channels": "four"}, "config.json"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(checkpoint, settings, said):
    set_setting(checkpoint, **settings)
    with pytest.raises(CheckpointError, match=said):
        DGRL.from_pretrained(checkpoint)


def test_weights_of_another_configuration_are_refused(checkpoint):
    set_setting(checkpoint, kernel_size=3)
    with pytest.raises(CheckpointError, match=r"brn\.layers\.4\.weight is \(25, 8, 3, 3\) instead of \(9, 8, 3, 3\)"):
        DGRL.from_pretrained(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_files_are_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        DGRL.from_pretrained(checkpoint)


@pytest.mark.parametrize("kept", [0, 5, 1000, -1])
def test_truncated_weights_are_refused(checkpoint, kept):
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a complete safetensors file"):
        DGRL.from_pretrained(checkpoint)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00"])
def test_files_that_are_not_configurations_are_refused(checkpoint, text):
    (checkpoint / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        DGRL.from_pretrained(checkpoint)


def test_saving_over_a_checkpoint_keeps_its_card(tiny_model, checkpoint):
    (checkpoint / "README.md").write_text("The card.")
    tiny_model.save_pretrained(checkpoint)
    assert (checkpoint / "README.md").read_text() == "The card."
    DGRL.from_pretrained(checkpoint)


def test_growing_from_a_single_pass_begins_where_it_was(photo):
    """Feedback that was never used starts at 0: step t = 1 is then exactly step t = 0."""
    single = filled(DGRL(dataclasses.replace(TINY, steps=0)))
    grown = single.with_steps(2).eval()
    assert grown.config == TINY
    steps = grown.trace(photo).steps
    assert np.array_equal(steps[0].logits, single.trace(photo).steps[0].logits)
    for t in (1, 2):
        assert np.array_equal(steps[t].logits, steps[0].logits)
    assert np.array_equal(grown.detect(photo), single.detect(photo))


def test_growing_keeps_feedback_that_was_trained(tiny_model, photo):
    grown = tiny_model.with_steps(4).eval()
    assert len(grown.rln.heads) == 5
    result, expected = grown.trace(photo).steps, tiny_model.trace(photo, steps=4).steps
    for step, same in zip(result, expected, strict=True):
        assert np.array_equal(step.logits, same.logits)


def test_growing_makes_a_copy(tiny_model):
    before = copy.deepcopy(tiny_model.state_dict())
    grown = tiny_model.with_steps(3)
    with torch.no_grad():
        for parameter in grown.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in tiny_model.state_dict().items())


def test_shrinking_and_shared_heads(tiny_model, photo):
    assert np.array_equal(tiny_model.with_steps(1).eval().detect(photo), tiny_model.detect(photo, steps=1))
    shared = filled(DGRL(dataclasses.replace(TINY, share_heads=True)))
    assert np.array_equal(shared.with_steps(3).eval().detect(photo), shared.detect(photo, steps=3))


HUB_ROUND_TRIP = """
import sys
from dgrl import DGRL, CheckpointError
model = DGRL.from_pretrained(sys.argv[1])
model.push_to_hub("someone/dgrl-tiny", token="hf_no_real_token")
DGRL.from_pretrained("someone/dgrl-tiny").save_pretrained(sys.argv[2])
DGRL.from_pretrained("someone/dgrl-tiny", local_files_only=True)
try:
    DGRL.from_pretrained("someone/no-such-model")
except CheckpointError as error:
    print(error)
"""


def test_pushed_to_the_hub_and_loaded_from_it(checkpoint, tmp_path):
    """The whole way over HTTP, against a stand-in on this machine."""
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    with fake_hub() as (address, repositories):
        result = subprocess.run(
            [sys.executable, "-c", HUB_ROUND_TRIP, str(checkpoint), str(tmp_path / "back")],
            cwd=ROOT,
            env=os.environ | settings | {"HF_ENDPOINT": address},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert result.returncode == 0, result.stderr
    assert {"README.md", "config.json", "model.safetensors"} <= repositories["someone/dgrl-tiny"].keys()
    assert "someone/no-such-model is neither a folder nor a model" in result.stdout
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "back" / name).read_bytes() == repositories["someone/dgrl-tiny"][name]
    original, back = load_file(checkpoint / "model.safetensors"), load_file(tmp_path / "back" / "model.safetensors")
    assert original.keys() == back.keys()
    assert all(torch.equal(original[name], back[name]) for name in original)


def test_hub_settings_reach_the_hub(checkpoint, monkeypatch):
    asked = {}

    def download(name, **settings):
        asked.update(settings, name=name)
        return str(checkpoint)

    monkeypatch.setattr("dgrl.checkpoint.snapshot_download", download)
    DGRL.from_pretrained("someone/dgrl-tiny", revision="v2", token="hf_x")
    assert (asked["name"], asked["revision"], asked["token"]) == ("someone/dgrl-tiny", "v2", "hf_x")
    assert not any("*" in pattern for pattern in asked["allow_patterns"]), "more than a checkpoint would be fetched"


@pytest.mark.parametrize("name", [(), ("dgrl-lite",), (SHIPPED_WEIGHTS,)], ids=["default", "its name", "its folder"])
def test_the_shipped_checkpoint_is_found_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert DGRL.from_pretrained(*name).config.backbone == "tf_efficientnet_lite0"


def test_a_folder_comes_before_a_shipped_checkpoint_of_the_same_name(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model.save_pretrained(tmp_path / "dgrl-lite")
    assert DGRL.from_pretrained("dgrl-lite").config == tiny_model.config


@pytest.mark.parametrize("name", ["no/such/folder", "", "weights/dgrl lite"])
def test_folders_that_are_not_checkpoints_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError):
        DGRL.from_pretrained(name)


def test_a_new_brn_on_the_same_rln(tiny_model):
    renewed = tiny_model.with_new_brn(kernel_size=3, refinement_gain=4.0)
    assert renewed.config == dataclasses.replace(tiny_model.config, kernel_size=3, refinement_gain=4.0)
    kept = renewed.rln.state_dict()
    for name, value in tiny_model.rln.state_dict().items():
        assert torch.equal(kept[name], value), name
    assert renewed.brn.layers[-1].bias.tolist() == [0, 0, 0, 0, 4, 0, 0, 0, 0]


def test_weights_of_eight_bits_are_refused_by_name(tmp_path):
    model = filled(DGRL(TINY))
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "rln.heads.0.fuse.weight"
    tensors[name] = tensors[name].to(torch.int8)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=rf"{name} holds torch.int8 instead of torch.float32"):
        DGRL.from_pretrained(tmp_path)


@pytest.mark.parametrize("content", ["[]", "null", "[" * 100_000, '{"a": ' * 50_000])
def test_a_configuration_that_is_no_object_is_refused_in_words(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        DGRL.from_pretrained(tmp_path)
