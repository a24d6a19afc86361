import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dgrl import DGRL, DGRLConfig, propagate
from dgrl.network.brn import BRN, folded_inwards
from dgrl.taps import listening, tap_names
from tests.helpers.networks import TINY, filled


def naive_propagate(saliency, coefficients):
    """Compute the paper's sum as three loops over (H, W) and (n², H, W), in float64, with 0 outside the image."""
    n = round(len(coefficients) ** 0.5)
    height, width = saliency.shape
    refined = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            foreground = background = 0.0
            for d in range(n * n):
                y, x = row + d // n - n // 2, column + d % n - n // 2
                s = float(saliency[y, x]) if 0 <= y < height and 0 <= x < width else 0.0
                v = float(coefficients[d, row, column])
                foreground += v * s
                background += v * (1 - s)
            refined[row, column] = np.exp(foreground) / (np.exp(foreground) + np.exp(background))
    return refined


def random_case(n, height=7, width=9, scale=1.0):
    random = np.random.RandomState(n)
    saliency = random.uniform(size=(height, width)).astype(np.float32)
    coefficients = (scale * random.standard_normal((n * n, height, width))).astype(np.float32)
    return torch.from_numpy(saliency), torch.from_numpy(coefficients)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_propagate_is_the_sum_of_the_paper(n):
    saliency, coefficients = random_case(n)
    expected = naive_propagate(saliency.numpy(), coefficients.numpy())
    np.testing.assert_allclose(propagate(saliency, coefficients), expected, atol=1e-7)


def test_propagate_uses_zero_outside_the_image():
    """At a corner 16 of 25 neighbours are outside: each takes its coefficient to the background."""
    refined = propagate(torch.ones(3, 3), torch.full((25, 3, 3), 0.1))
    evidence = 0.1 * (9 - 16)
    assert refined[0, 0].item() == pytest.approx(1 / (1 + np.exp(-evidence)), abs=1e-6)


def test_propagate_reads_coefficients_row_by_row():
    """Coefficient d alone at 1 gives the neighbour in row d // n, column d % n of the window."""
    saliency = torch.arange(49.0).view(7, 7) / 49
    for d in range(25):
        coefficients = torch.zeros(25, 7, 7)
        coefficients[d] = 1
        neighbour = saliency[3 + d // 5 - 2, 3 + d % 5 - 2]
        assert propagate(saliency, coefficients)[3, 3].item() == pytest.approx(torch.sigmoid(2 * neighbour - 1).item())


def test_propagate_keeps_precision_with_large_coefficients():
    saliency, coefficients = random_case(5, scale=50.0)
    expected = naive_propagate(saliency.numpy() * 1.0, coefficients.numpy().clip(-200, 200))
    refined = propagate(saliency, coefficients.clip(-200, 200))
    assert refined.dtype == torch.float32
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(refined, expected, atol=2e-7)


def test_propagate_batched_and_not():
    cases = [random_case(3), random_case(5)]
    saliency, coefficients = cases[0]
    single = propagate(saliency, coefficients)
    assert single.shape == (7, 9)
    with_channel = propagate(saliency[None], coefficients)
    assert with_channel.shape == (1, 7, 9)
    other = random_case(3, scale=2.0)
    batch = propagate(torch.stack([saliency, other[0].flip(0)])[:, None], torch.stack([coefficients, other[1]]))
    assert batch.shape == (2, 1, 7, 9)
    torch.testing.assert_close(with_channel[0], single)
    torch.testing.assert_close(batch[0, 0], single)
    torch.testing.assert_close(batch[1, 0], propagate(other[0].flip(0), other[1]))


@pytest.mark.parametrize(
    ("saliency", "coefficients", "said"),
    [
        ((7, 9), (24, 7, 9), "24 coefficients"),
        ((7, 9), (16, 7, 9), "16 coefficients"),
        ((7, 9), (25, 9, 7), "differ in size"),
        ((1, 1, 7, 9), (1, 25, 7, 8), "differ in size"),
        ((2, 2, 7, 9), (2, 25, 7, 9), "do not match"),
        ((2, 1, 7, 9), (3, 25, 7, 9), "do not match"),
    ],
)
def test_propagate_refuses_shapes_that_do_not_go_together(saliency, coefficients, said):
    with pytest.raises(ValueError, match=said):
        propagate(torch.rand(saliency), torch.rand(coefficients))


def test_propagate_has_the_right_gradients():
    saliency, coefficients = random_case(3, 4, 5)
    inputs = (saliency.double().requires_grad_(), coefficients.double().requires_grad_())
    assert torch.autograd.gradcheck(propagate, inputs)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_shapes(n):
    with torch.device("meta"):
        output = BRN(DGRLConfig(kernel_size=n))(torch.rand(2, 3, 480, 480), torch.rand(2, 1, 480, 480))
    assert output.coefficients.shape == (2, n * n, 480, 480)
    assert output.prior.shape == output.refined.shape == (2, 1, 480, 480)


def test_layers_are_those_of_the_published_network():
    brn = BRN(DGRLConfig())
    convolutions = [layer for layer in brn.layers if isinstance(layer, nn.Conv2d)]
    assert [tuple(c.weight.shape) for c in convolutions] == [
        (64, 4, 3, 3),
        (64, 64, 3, 3),
        (64, 64, 3, 3),
        (128, 64, 3, 3),
        (128, 128, 3, 3),
        (128, 128, 3, 3),
        (25, 128, 3, 3),
    ]
    assert all((c.stride, c.padding) == ((1, 1), (1, 1)) for c in convolutions)
    assert [type(layer).__name__ for layer in brn.layers] == ["Conv2d", "ReLU"] * 6 + ["Conv2d"]
    assert sum(parameter.numel() for parameter in brn.parameters()) == 474_073


@pytest.mark.parametrize(("n", "parameters"), [(3, 455_625), (5, 474_073), (7, 501_745)])
def test_parameters_by_kernel_size(n, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in BRN(DGRLConfig(kernel_size=n)).parameters()) == parameters


@pytest.mark.parametrize("std", [0.01, 0.1])
def test_initialisation(std):
    config = DGRLConfig(refinement_std=std)
    convolutions = [layer for layer in BRN(config).layers if isinstance(layer, nn.Conv2d)]
    for convolution in convolutions:
        assert convolution.weight.std().item() == pytest.approx(std, rel=0.06)
        assert abs(convolution.weight.mean().item()) < 0.1 * std
    assert not any(convolution.bias.any() for convolution in convolutions[:-1])
    assert convolutions[-1].bias.tolist() == [0.0] * 12 + [1.0] + [0.0] * 12


@pytest.mark.parametrize("n", [3, 5, 7])
def test_an_untrained_brn_returns_almost_the_same_map(n):
    """It returns σ(2s − 1), because with the published 0.01 the convolutions add almost nothing to the bias."""
    brn = BRN(DGRLConfig(kernel_size=n, refinement_channels=(64, 64)))
    saliency = torch.rand(1, 1, 20, 20)
    with torch.inference_mode():
        output = brn(torch.rand(1, 3, 20, 20), saliency)
    torch.testing.assert_close(output.refined, torch.sigmoid(2 * saliency - 1), rtol=0, atol=0.01)


def test_coefficients_are_signed_and_not_normalised():
    brn = filled(BRN(TINY))
    with torch.inference_mode():
        coefficients = brn(torch.rand(1, 3, 20, 20), torch.rand(1, 1, 20, 20)).coefficients
    assert coefficients.min() < -0.1
    assert coefficients.sum(1).std() > 0.01


@pytest.mark.parametrize("kind", ["soft", "binary"])
def test_prior(kind):
    brn = filled(BRN(dataclasses.replace(TINY, prior=kind)))
    saliency = torch.rand(2, 1, 16, 16)
    with torch.inference_mode():
        output = brn(torch.rand(2, 3, 16, 16), saliency)
    expected = saliency if kind == "soft" else (saliency > 0.5).float()
    torch.testing.assert_close(output.prior, expected, rtol=0, atol=0)
    torch.testing.assert_close(output.refined, propagate(expected, output.coefficients))


def test_kernels_can_use_the_map_while_its_rounded_form_is_propagated():
    settings = dataclasses.replace(TINY, prior="binary", refinement_sees="map")
    brn, soft = filled(BRN(settings)), filled(BRN(TINY))
    images, saliency = torch.rand(1, 3, 12, 12), torch.rand(1, 1, 12, 12)
    with torch.inference_mode():
        output, expected = brn(images, saliency), soft(images, saliency).coefficients
    torch.testing.assert_close(output.coefficients, expected, rtol=0, atol=0)
    torch.testing.assert_close(output.prior, saliency.round(), rtol=0, atol=0)
    torch.testing.assert_close(output.refined, propagate(saliency.round(), expected))


@pytest.mark.parametrize(("n", "height", "width"), [(5, 9, 7), (3, 4, 5), (7, 10, 12), (7, 4, 2), (5, 1, 3)])
def test_kernels_folded_inwards_equal_a_map_with_repeated_borders(n, height, width):
    coefficients, saliency, radius = torch.randn(2, n * n, height, width), torch.rand(2, 1, height, width), n // 2
    beyond = F.pad(saliency, [radius] * 4, mode="replicate")
    expected = propagate(beyond, F.pad(coefficients, [radius] * 4))[..., radius:-radius, radius:-radius]
    folded = folded_inwards(coefficients)
    torch.testing.assert_close(propagate(saliency, folded), expected)
    assert (folded[:, : radius * n, 0] == 0).all(), "nothing is drawn from above the picture"
    # With gradients, and in exported graphs, the same is computed without writing into tensors.
    differentiable = folded_inwards(coefficients.requires_grad_())
    torch.testing.assert_close(differentiable.detach(), folded, rtol=0, atol=0)


def test_an_object_that_the_pictures_side_cuts_does_not_fade_there():
    faces = {}
    for padding in ("zeros", "replicate"):
        torch.manual_seed(0)
        brn = filled(BRN(dataclasses.replace(TINY, refinement_padding=padding)))
        with torch.inference_mode():
            faces[padding] = brn(torch.full((1, 3, 20, 20), 0.4), torch.ones(1, 1, 20, 20)).evidence
    assert faces["replicate"].std() < 1e-4, "the same everywhere in a plain picture"
    torch.testing.assert_close(faces["replicate"][0, 0, 10, 10], faces["zeros"][0, 0, 10, 10])
    assert faces["zeros"].std() > 1e-2


def test_image_and_map_are_one_four_channel_input():
    """The picture's channels come first, as they are in [0, 1] (code: data_norm, data_concat), then the prior."""
    brn = filled(BRN(TINY))
    images, saliency = torch.rand(1, 3, 12, 12), torch.rand(1, 1, 12, 12)
    with torch.inference_mode():
        expected = brn.layers(torch.cat([images, saliency], 1))
        torch.testing.assert_close(brn(images, saliency).coefficients, expected, rtol=0, atol=0)


def test_the_convolutions_and_the_propagation_use_an_edited_prior():
    brn = filled(BRN(TINY))
    images, saliency = torch.rand(1, 3, 12, 12), torch.rand(1, 1, 12, 12)
    with torch.inference_mode():
        with listening(lambda name, value: 1 - value if name == "brn.prior" else value):
            edited = brn(images, saliency)
        expected = brn(images, 1 - saliency)
    torch.testing.assert_close(edited.refined, expected.refined)


def test_sees_seven_pixels_far():
    """Seven 3×3 convolutions and no pooling: crops of a picture train it as well as the whole."""
    brn = BRN(DGRLConfig(refinement_channels=(8,) * 6, refinement_std=0.3))
    images = torch.rand(1, 3, 31, 31, requires_grad=True)
    brn(images, torch.rand(1, 1, 31, 31)).refined[0, 0, 15, 15].backward()
    reached = images.grad.abs().sum((0, 1)).nonzero()
    assert (reached - 15).abs().max() == 7


def test_he_initialisation_keeps_the_signal_and_begins_as_a_steep_identity():
    config = DGRLConfig(refinement_std=None, refinement_gain=8.0)
    brn = BRN(config)
    images, saliency = torch.rand(1, 3, 24, 24), torch.rand(1, 1, 24, 24)
    output = brn(images, saliency)
    torch.testing.assert_close(output.refined, torch.sigmoid(8 * (2 * saliency - 1)))
    sizes = []
    signal = torch.cat([images, saliency], 1)
    for layer in brn.layers[:-1]:
        signal = layer(signal)
        sizes.append(float(signal.detach().std()))
    assert 0.3 < sizes[-1] / sizes[1] < 3, "the signal vanishes or explodes on its way"
    published = BRN(DGRLConfig()).layers[:-1](torch.cat([images, saliency], 1))
    assert published.std() < 1e-3 * sizes[-1], "with the published start it does vanish: the reason for the departure"


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_reach_is_as_far_as_an_input_is_felt(kernel_size):
    brn = BRN(DGRLConfig(kernel_size=kernel_size, refinement_channels=(8, 8), refinement_std=0.5))
    images = torch.rand(1, 3, 21, 21, requires_grad=True)
    saliency = torch.rand(1, 1, 21, 21, requires_grad=True)
    brn(images, saliency).evidence[0, 0, 10, 10].backward()
    felt = (images.grad.abs().sum(1) + saliency.grad.abs().sum(1))[0].nonzero() - 10
    assert int(felt.abs().max()) == brn.reach


@pytest.mark.parametrize("propagations", [1, 2, 3])
def test_every_propagation_is_the_papers_with_the_same_coefficients(propagations):
    model = filled(DGRL(dataclasses.replace(TINY, propagations=propagations)))
    trace = model.trace(np.random.RandomState(0).randint(0, 256, (50, 70, 3), np.uint8))
    names = tap_names(2, propagations=propagations)
    assert set(trace.taps) == set(names)
    assert len(names) == len(tap_names(2)) + propagations - 1
    assert len(trace.propagated) == propagations + 1
    for before, after in pairwise(trace.propagated):
        again = propagate(torch.from_numpy(before), torch.from_numpy(trace.coefficients))
        torch.testing.assert_close(again, torch.from_numpy(after))
    for x, y in ((0, 0), (69, 49), (30, 20)):
        for number in range(propagations):
            pixel = trace.pixel(x, y, number)
            assert pixel.refined == pytest.approx(1 / (1 + np.exp(pixel.background - pixel.foreground)), abs=1e-6)
            assert pixel.prior == trace.propagated[number][pixel.row, pixel.column]
        assert trace.pixel(x, y).refined == trace.refined[pixel.row, pixel.column]


def test_reach_is_how_far_an_input_has_a_say():
    for settings in ({"refinement_dilations": (1, 2, 3)}, {"propagations": 3}, {"propagations": 2, "kernel_size": 7}):
        brn = filled(DGRL(dataclasses.replace(TINY, **settings))).brn
        images, saliency = torch.rand(1, 3, 41, 41, requires_grad=True), torch.rand(1, 1, 41, 41, requires_grad=True)
        gradients = torch.autograd.grad(brn(images, saliency).evidence[0, 0, 20, 20], (images, saliency))
        felt = sum(gradient.abs().sum((0, 1)) for gradient in gradients) > 0
        assert (felt.nonzero() - 20).abs().max() == brn.reach
