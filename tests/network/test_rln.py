import dataclasses
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dgrl import DGRL, DGRLConfig
from dgrl.network.context import ContextualWeighting
from dgrl.network.rln import LEVELS, RLN, RecurrentStep, attend
from dgrl.taps import Recorder, flatten_map, listening
from tests.helpers.networks import TINY, filled


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def published() -> RLN:
    """Return the published network without memory for its weights: shapes only."""
    with torch.device("meta"):
        return RLN(DGRLConfig())


@pytest.fixture(scope="module")
def rln():
    return filled(RLN(TINY))


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(3))


def test_parameters_of_the_published_network():
    """timm's ResNet-50 has 23,508,032; everything else is the Caffe network's, number for number."""
    rln = published()
    heads = list(rln.heads)
    contexts = [context for head in heads for context in head.context.values()]
    assert count(rln.backbone) == 23_508_032
    assert count(rln.recurrent_step) == 9 * (64 * 256 + 256 * 512 + 512 * 1024 + 1024 * 2048) == 24_920_064
    filters = sum(count(context.filters, context.mask) for context in contexts)
    assert filters == 3 * (32 * (9 + 25 + 49) * (512 + 1024 + 2048) + 3 * 96 * 9) == 28_565_088
    assert sum(count(context.norms) for context in contexts) == 3 * 3 * 3 * 32
    rest = sum(count(head.side, head.fuse, head.classify) for head in heads)
    assert rest == 3 * (128 * 9 * (512 + 1024 + 2048) + 128 * 128 + 128 + 2 * 128 + 2) == 12_436_614
    assert count(rln) == 89_430_662


def test_shapes_of_the_published_network():
    shapes: dict[str, torch.Size] = {}
    rln = published()

    def listener(name, value):
        shapes[name] = value.shape
        return value

    for name, module in rln.named_modules():
        if name.startswith(("backbone", "heads.0")) and not isinstance(module, nn.ModuleDict):
            module.register_forward_hook(
                lambda _module, _inputs, out, name=name: (
                    shapes.__setitem__(name, out.shape) if isinstance(out, torch.Tensor) else None
                )
            )

    with listening(listener):
        output = rln(torch.rand(1, 3, 384, 384, device="meta"))
    expected = {
        "backbone.conv1": (64, 192, 192),
        "backbone.conv2": (256, 96, 96),
        "backbone.conv3": (512, 48, 48),
        "backbone.conv4": (1024, 24, 24),
        "backbone.conv5": (2048, 12, 12),
        "heads.0.fuse": (128, 48, 48),
        "heads.0.classify": (2, 48, 48),
        "rln.t0.logits": (2, 384, 384),
    }
    for level, size in {"conv3": 48, "conv4": 24, "conv5": 12}.items():
        expected[f"heads.0.side.{level}"] = (128, size, size)
        expected[f"rln.t2.{level}.weight_map"] = (1, size // 2, size // 2)
        for i in range(3):
            expected[f"heads.0.context.{level}.filters.{i}"] = (32, size // 2, size // 2)
    for k, channels, size in ((2, 64, 96), (3, 256, 48), (4, 512, 24), (5, 1024, 12)):
        expected[f"rln.t1.conv{k}.feedback"] = (channels, size, size)
    assert {name: tuple(shapes[name][1:]) for name in expected} == expected
    assert [tuple(step.logits.shape) for step in output.steps] == [(1, 2, 384, 384)] * 3
    assert tuple(output.saliency.shape) == (1, 1, 384, 384)
    assert not any(name.startswith("rln.t0") and "feedback" in name for name in shapes)


def test_layers_without_bias_are_those_of_the_published_network():
    head = published().heads[0]
    assert all(convolution.bias is None for convolution in head.side.values())
    assert head.fuse.bias is not None
    assert head.classify.bias is not None
    assert all(convolution.bias is None for convolution in published().recurrent_step.feedback.values())


def test_initial_weights_are_those_of_the_published_network():
    """Gaussian 0.01 in the heads, "msra" (√(2 / fan-in)) in the feedback, biases 0."""
    rln = RLN(dataclasses.replace(TINY, side_channels=64, context_channels=16))
    for convolution in (*rln.heads[0].side.values(), rln.heads[0].fuse):
        assert abs(convolution.weight.std().item() - 0.01) < 0.001
    for convolution in (rln.heads[0].fuse, rln.heads[0].classify):
        assert not convolution.bias.any()
    for convolution in rln.recurrent_step.feedback.values():
        assert convolution.weight.std().item() == pytest.approx((2 / convolution.weight[0].numel()) ** 0.5, rel=0.05)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_any_number_of_steps(rln, images, steps):
    with torch.inference_mode():
        output = rln(images, steps)
        longest = rln(images, 4)
    assert len(output.steps) == steps + 1
    for step, same in zip(output.steps, longest.steps, strict=False):
        assert torch.equal(step.logits, same.logits), "what a step predicts depends on how many follow"
        assert step.saliency.shape == (2, 1, 96, 128)
        torch.testing.assert_close(step.saliency, step.logits.softmax(1)[:, 1:])
        assert list(step.weight_maps) == ["conv3", "conv4", "conv5"]
        for level, size in {"conv3": (6, 8), "conv4": (3, 4), "conv5": (2, 2)}.items():
            weights = step.weight_maps[level]
            assert weights.shape == (2, 1, *size)
            assert (weights > 0).all()
            torch.testing.assert_close(weights.mean((1, 2, 3)), torch.ones(2))
    assert torch.equal(output.saliency, output.steps[-1].saliency)


def test_the_default_steps_are_those_trained(rln, images):
    with torch.inference_mode():
        assert len(rln(images).steps) == 3


def test_steps_differ(rln, images):
    with torch.inference_mode():
        maps = [step.saliency for step in rln(images, 4).steps]
    for earlier, later in pairwise(maps):
        assert (earlier - later).abs().max() > 0.01


@pytest.mark.parametrize("steps", [-1, -3])
def test_negative_steps_are_refused(rln, images, steps):
    with pytest.raises(ValueError, match=f"steps .*{steps}"):
        rln(images, steps)


def test_each_step_has_its_head_and_later_steps_use_the_last_one(rln, images):
    used = []
    hooks = [head.register_forward_hook(lambda *_, i=i: used.append(i)) for i, head in enumerate(rln.heads)]
    with torch.inference_mode():
        rln(images, 4)
    for hook in hooks:
        hook.remove()
    assert used == [0, 1, 2, 2, 2]


def test_shared_heads():
    config = dataclasses.replace(TINY, share_heads=True)
    shared, own = RLN(config), RLN(TINY)
    assert (len(shared.heads), len(own.heads)) == (1, 3)
    assert count(own) - count(shared) == 2 * count(own.heads[0])
    with torch.inference_mode():
        assert len(shared.eval()(torch.rand(1, 3, 64, 64), 3).steps) == 4


def test_feedback_enters_where_the_paper_says(rln, images):
    """f_k(t) = block_k(f_{k−1}(t) + up(w_k * f_k(t−1))), from the modules' own weights; conv1 is never fed."""
    backbone, feedback = rln.backbone, rln.recurrent_step.feedback
    with torch.inference_mode():
        stem = backbone.conv1((images - rln.mean) / rln.std)
        previous: dict[str, torch.Tensor] = {}
        for t, step in enumerate(rln(images, 3).steps):
            below, features = stem, {}
            for k in (2, 3, 4, 5):
                name = f"conv{k}"
                if t > 0:
                    fed = F.conv2d(previous[name], feedback[name].weight, padding=1)
                    below = below + F.interpolate(fed, size=below.shape[2:], mode="bilinear", align_corners=True)
                below = features[name] = getattr(backbone, name)(below)
            head = rln.heads[min(t, 2)]
            torch.testing.assert_close(head(features, images.shape[-2:], t).logits, step.logits)
            previous = features


def test_one_feedback_convolution_per_block_for_all_steps():
    step = RecurrentStep(RLN(TINY).backbone)
    assert {name: tuple(conv.weight.shape[:2]) for name, conv in step.feedback.items()} == {
        "conv2": (16, 24),
        "conv3": (24, 40),
        "conv4": (40, 112),
        "conv5": (112, 320),
    }


def test_the_head_equals_its_layers_in_pytorch(rln, images):
    head = rln.heads[1]
    generator = torch.Generator().manual_seed(1)
    sizes = {"conv3": (40, 12, 16), "conv4": (112, 6, 8), "conv5": (320, 3, 4)}
    features = {level: torch.rand(2, *shape, generator=generator) for level, shape in sizes.items()}
    with torch.inference_mode():
        total = 0
        for level, f in features.items():
            weights = head.context[level](f, 1)
            side = F.conv2d(f, head.side[level].weight, padding=1)
            side = side * F.interpolate(weights, size=side.shape[2:], mode="bilinear", align_corners=True)
            total = total + F.interpolate(side, size=(12, 16), mode="bilinear", align_corners=True)
        small = F.conv2d(total, head.fuse.weight, head.fuse.bias)
        small = F.conv2d(small, head.classify.weight, head.classify.bias)
        expected = F.interpolate(small, size=(96, 128), mode="bilinear", align_corners=True)
        torch.testing.assert_close(head(features, torch.Size((96, 128)), 1).logits, expected)


def test_without_context_is_with_flat_maps(rln, images):
    """Taking the module out (the paper's ablation) is what weighing every place by 1 does."""
    bare = RLN(dataclasses.replace(TINY, context=False)).eval()
    bare.load_state_dict({k: v for k, v in rln.state_dict().items() if ".context." not in k}, strict=True)
    with torch.inference_mode():
        output = bare(images)
        with listening(lambda name, value: torch.ones_like(value) if name.endswith("weight_map") else value):
            flat = rln(images)
        plain = rln(images)
    assert all(step.weight_maps == {} for step in output.steps)
    assert not any(isinstance(module, ContextualWeighting) for module in bare.modules())
    for result, expected, other in zip(output.steps, flat.steps, plain.steps, strict=True):
        torch.testing.assert_close(result.logits, expected.logits)
        assert not torch.allclose(result.logits, other.logits)


def test_pictures_of_a_batch_do_not_mix(rln, images):
    with torch.inference_mode():
        together = rln(images).saliency
        apart = torch.cat([rln(image[None]).saliency for image in images])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)


def test_every_step_is_supervised():
    """A gradient from each step's logits reaches its head, and from t = 1 on the feedback."""
    rln = RLN(TINY).train()
    for t, step in enumerate(rln(torch.rand(1, 3, 64, 64)).steps):
        rln.zero_grad()
        step.logits[:, 1].sum().backward(retain_graph=True)
        assert [head.classify.weight.grad is not None for head in rln.heads] == [i == t for i in range(3)]
        for convolution in rln.recurrent_step.feedback.values():
            assert (convolution.weight.grad is not None and convolution.weight.grad.any()) == (t > 0)


def test_normalisation_is_taken_off_the_pictures(images):
    config = dataclasses.replace(TINY, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    rln = filled(RLN(config))
    plain = filled(RLN(dataclasses.replace(TINY, mean=(0, 0, 0), std=(1, 1, 1))))
    by_hand = (images - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(rln(images, 0).steps[0].logits, plain(by_hand, 0).steps[0].logits)


def test_attended_feedback_is_of_the_features_that_the_maps_weigh():
    plain, attended = (filled(DGRL(dataclasses.replace(TINY, feedback=kind))) for kind in ("plain", "attended"))
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    flat = [flatten_map(level, t=0) for level in LEVELS]
    with torch.no_grad(), listening(Recorder(flat)):
        without, with_attention = plain.rln(images, 1), attended.rln(images, 1)
    torch.testing.assert_close(without.saliency, with_attention.saliency)  # maps of 1 weigh nothing
    with torch.no_grad():
        without, with_attention = plain.rln(images, 1), attended.rln(images, 1)
    torch.testing.assert_close(without.steps[0].saliency, with_attention.steps[0].saliency)
    assert not torch.allclose(without.saliency, with_attention.saliency)


def test_attend_weighs_the_levels_that_have_a_map():
    features = {f"conv{k}": torch.rand(1, 2, 8, 8) for k in (2, 3)}
    weighted = attend(features, {"conv3": torch.full((1, 1, 4, 4), 3.0)})
    torch.testing.assert_close(weighted["conv3"], 3 * features["conv3"])
    assert weighted["conv2"] is features["conv2"]


@pytest.mark.parametrize("feedback", ["plain", "attended"])
def test_computing_only_the_last_step_gives_the_same_prediction(images, feedback):
    """And the heads before it are asked for no prediction."""
    network = filled(RLN(dataclasses.replace(TINY, feedback=feedback)))
    for steps in (0, 1, 4):
        whole = network(images, steps).steps[-1]
        predicted = []
        hooks = [
            head.classify.register_forward_hook(lambda *_, seen=predicted: seen.append(1)) for head in network.heads
        ]
        alone = network.last(images, steps)
        for hook in hooks:
            hook.remove()
        assert torch.equal(alone.logits, whole.logits)
        assert len(predicted) == 1
        assert all(torch.equal(alone.weight_maps[level], whole.weight_maps[level]) for level in LEVELS)
