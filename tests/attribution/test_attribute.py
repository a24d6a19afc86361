"""Attribution by Captum: the right number is explained, and each method gives what it promises."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, Occlusion
from numpy.typing import NDArray
from torch import Tensor

from dgrl import DGRL
from dgrl.attribution import methods
from dgrl.attribution.attribute import Attribution, attribute, attribute_in_batches
from dgrl.attribution.evidence import Evidence, OfPixel
from dgrl.attribution.methods import BLOCKS
from dgrl.attribution.question import BASELINES, METHODS, CellTarget, ObjectTarget, PixelTarget, Question, Target
from dgrl.files import EXAMPLES
from dgrl.images import read_image
from dgrl.network.layers import resize
from dgrl.network.rln import RLN
from dgrl.taps import LEVELS
from tests.helpers.networks import TRAINED, filled

SMALLEST = replace(TRAINED, steps=2)
SIDE = SMALLEST.rln_size
ROUGH = float("inf")  # a tolerance that spares Integrated Gradients all but its first cuts
ASTRONAUT = EXAMPLES / "astronaut.jpg"
TARGETS: dict[str, Target] = {
    "pixel": PixelTarget(250, 300),  # the photo changes it much; small changes are hard to add up to
    "pixel at t = 0": PixelTarget(200, 120, step=0),
    "refined pixel": PixelTarget(200, 120, refined=True),
    "object": ObjectTarget(),
    "cell": CellTarget("conv4", 1, 1, step=1),
}


@pytest.fixture(scope="module")
def network() -> DGRL:
    """Return the network that all tests of this file share: copy it before altering it."""
    return filled(DGRL(SMALLEST))


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    return read_image(ASTRONAUT)


@pytest.fixture
def few_path_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute Integrated Gradients in one piece, for tests that do not check their precision."""
    monkeypatch.setattr(methods, "CUTS", (0.0, 1.0))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that receives the batch size of every later pass of RLN."""
    sizes: list[int] = []
    stem = RLN.stem

    def counted(self: RLN, images: Tensor) -> Tensor:
        sizes.append(len(images))
        return stem(self, images)

    monkeypatch.setattr(RLN, "stem", counted)
    return sizes


def test_the_value_equals_the_trace_s(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    trace = network.trace(astronaut)

    def value(target: Target) -> float:
        return attribute(network, astronaut, target, "grad_cam", block="conv1").value

    height, width = astronaut.shape[:2]
    for x, y in [(0, 0), (200, 120), (width - 1, height - 1)]:
        column, row = int((x + 0.5) / width * SIDE), int((y + 0.5) / height * SIDE)
        for step in trace.steps:
            expected = step.logits[1, row, column] - step.logits[0, row, column]
            assert value(PixelTarget(x, y, step.t)) == pytest.approx(expected, abs=1e-5)
        pixel = trace.pixel(x, y)
        refined = value(PixelTarget(x, y, refined=True))
        assert refined == pytest.approx(pixel.foreground - pixel.background, abs=1e-4)
        assert 1 / (1 + np.exp(-refined)) == pytest.approx(pixel.refined, abs=1e-5)
    for step in trace.steps:
        evidence = step.logits[1] - step.logits[0]
        if evidence.max() > 0:
            assert value(ObjectTarget(step.t)) == pytest.approx(evidence[step.saliency > 0.5].mean(), abs=1e-4)
        for level in LEVELS:
            rows, columns = step.weight_maps[level].shape
            expected = step.weight_maps[level][rows - 1, columns // 2]
            assert value(CellTarget(level, rows - 1, columns // 2, step.t)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", TARGETS)
def test_integrated_gradients_add_up(network: DGRL, astronaut: NDArray[np.uint8], name: str) -> None:
    result = attribute(network, astronaut, TARGETS[name])
    assert result.baseline_value is not None
    assert result.completeness_error is not None
    difference = result.value - result.baseline_value
    assert result.square.sum() == pytest.approx(difference, rel=0.05)
    assert result.completeness_error == pytest.approx(abs(result.square.sum() - difference) / abs(difference), abs=1e-4)
    assert result.completeness_error < 0.05
    assert result.square.min() < 0 < result.square.max()


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_adds_up(network: DGRL, astronaut: NDArray[np.uint8], baseline: str) -> None:
    result = attribute(network, astronaut, ObjectTarget(), baseline=baseline)
    assert result.completeness_error is not None
    assert result.completeness_error < 0.05
    nothing = {"black": np.zeros((SIDE, SIDE, 3)), "grey": np.full((SIDE, SIDE, 3), float(astronaut.mean() / 255))}
    if baseline in nothing:
        last = network.trace(nothing[baseline]).steps[-1]
        inside = network.trace(astronaut).steps[-1].saliency > 0.5
        expected = (last.logits[1] - last.logits[0])[inside].mean()
        assert result.baseline_value == pytest.approx(expected, abs=0.05)  # the grey went through 8 bits


@pytest.mark.usefixtures("few_path_points")
def test_attribution_to_visibility_is_attribution_to_the_picture(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    result = attribute(network, astronaut, PixelTarget(200, 120), tolerance=ROUGH)
    evidence = Evidence(network, astronaut, PixelTarget(200, 120))
    row, column = int(120.5 / astronaut.shape[0] * SIDE), int(200.5 / astronaut.shape[1] * SIDE)

    def logits(pictures: Tensor) -> Tensor:
        last = network.rln(pictures).steps[-1].logits
        return last[:, 1, row, column] - last[:, 0, row, column]

    plain = IntegratedGradients(logits).attribute(evidence.picture, evidence.baseline, n_steps=methods.POINTS)
    np.testing.assert_allclose(result.square, plain[0].sum(0), rtol=1e-3, atol=1e-5)


def test_occlusion_row_by_row_is_captum_s(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    result = attribute(network, astronaut, ObjectTarget(), "occlusion", batch_size=4)
    evidence = Evidence(network, astronaut, ObjectTarget())
    window, stride = (1, SIDE // 4, SIDE // 4), (1, SIDE // 8, SIDE // 8)
    expected_square = Occlusion(evidence).attribute(evidence.all_visible(1.0), window, stride, 0.0)
    np.testing.assert_allclose(result.square, expected_square[0, 0], rtol=1e-4, atol=1e-5)
    assert result.completeness_error is None


def by_hand(model: DGRL, evidence: Evidence, block: str, step: int) -> Tensor:
    """Compute Grad-CAM without Captum, from the block's output at its call number `step` and the gradients there."""
    collected: list[Tensor] = []
    hook = model.rln.backbone.get_submodule(block).register_forward_hook(lambda _, __, output: collected.append(output))
    last = model.rln(evidence.picture, evidence.step).steps[-1]
    hook.remove()
    target = evidence.target
    if isinstance(target, CellTarget):
        value = last.weight_maps[target.level][0, 0, target.row, target.column]
    else:
        assert isinstance(evidence.reader, OfPixel)
        background, result = last.logits[0, :, evidence.reader.row, evidence.reader.column]
        value = result - background
    features = collected[step]
    gradient = torch.autograd.grad(value, features)[0]
    return (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True)


@pytest.mark.parametrize("target", [PixelTarget(200, 120), PixelTarget(200, 120, 1), CellTarget("conv4", 0, 1)])
def test_grad_cam_is_of_the_right_block_at_the_right_step(
    network: DGRL, astronaut: NDArray[np.uint8], target: PixelTarget | CellTarget
) -> None:
    evidence = Evidence(network, astronaut, target)
    level = target.level if isinstance(target, CellTarget) else "conv5"
    for block in BLOCKS[: BLOCKS.index(level) + 1]:
        maps = []
        for step in range(evidence.step + 1):
            result = attribute(network, astronaut, target, "grad_cam", block=block, block_step=step)
            expected = by_hand(network, evidence, block, 0 if block == "conv1" else step).detach()
            scale = float(expected.abs().max())
            assert scale > 0
            expected = resize(expected, (SIDE, SIDE))[0, 0]
            np.testing.assert_allclose(result.square / scale, expected / scale, atol=1e-4)
            maps.append(result.square)
        alike = [np.allclose(maps[0], other, rtol=0.01) for other in maps[1:]]
        assert all(again == (block == "conv1") for again in alike)


def test_blocks_above_a_level_have_no_influence_on_its_weights(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    """The message that refuses such a question is right: feedback from conv4 never reaches conv3."""
    collected: list[Tensor] = []
    hook = network.rln.backbone.conv4.register_forward_hook(lambda _, __, output: collected.append(output))
    evidence = Evidence(network, astronaut, CellTarget("conv3", 1, 1))
    collected.clear()
    last = network.rln(evidence.picture).steps[-1]
    hook.remove()
    assert len(collected) == 3
    gradients = torch.autograd.grad(last.weight_maps["conv3"][0, 0, 1, 1], collected, allow_unused=True)
    assert gradients == (None, None, None)


@pytest.mark.usefixtures("few_path_points")
def test_inference_does_not_change_the_model(astronaut: NDArray[np.uint8]) -> None:
    model = filled(DGRL(SMALLEST)).train()
    model.rln.heads[0].fuse.weight.requires_grad_(False)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    for method in METHODS:
        attribute(model, astronaut, PixelTarget(3, 3, refined=True), method, tolerance=ROUGH)
    assert model.training
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    hooks = [hook for module in model.modules() for hook in (*module._forward_hooks, *module._backward_hooks)]
    assert hooks == []


def test_brn_s_weights_are_shared_not_copied(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    evidence = Evidence(network, astronaut, PixelTarget(0, 0, refined=True))
    places = [tensor.data_ptr() for tensor in network.brn.state_dict().values()]
    assert [tensor.data_ptr() for tensor in evidence.reader.brn.state_dict().values()] == places


@pytest.mark.usefixtures("few_path_points")
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(
    network: DGRL, astronaut: NDArray[np.uint8], context: Callable[[], torch.no_grad]
) -> None:
    expected = attribute(network, astronaut, ObjectTarget(), tolerance=ROUGH)
    with context():
        result = attribute(network, astronaut, ObjectTarget(), tolerance=ROUGH)
        assert not torch.is_grad_enabled()
    np.testing.assert_array_equal(result.square, expected.square)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_closing_it_stops_it(network: DGRL, astronaut: NDArray[np.uint8], passes: list[int], method: str) -> None:
    batches = attribute_in_batches(network, astronaut, Question(ObjectTarget(), method))
    shares = [next(batches) for _ in range(3)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[2] < 1
    done = len(passes)
    batches.close()
    assert list(batches) == []
    assert len(passes) == done


def test_an_exception_in_the_progress_function_stops_the_computation(
    network: DGRL, astronaut: NDArray[np.uint8], passes: list[int]
) -> None:
    collected: list[float] = []

    def enough(share: float) -> None:
        collected.append(share)
        if share > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attribute(network, astronaut, ObjectTarget(), "occlusion", progress=enough)
    stopped = len(passes)
    assert len(collected) < 7
    collected.clear()
    attribute(network, astronaut, ObjectTarget(), "occlusion", progress=collected.append)
    assert collected == sorted(collected)
    assert (collected[0], collected[-1]) == (0, 1)
    assert len(passes) - stopped > stopped


@pytest.mark.usefixtures("few_path_points")
def test_no_more_pictures_at_once_than_asked(network: DGRL, astronaut: NDArray[np.uint8], passes: list[int]) -> None:
    for method in ("integrated_gradients", "occlusion"):
        for batch_size in (1, 3):
            attribute(network, astronaut, ObjectTarget(), method, batch_size=batch_size, tolerance=ROUGH)
            assert max(passes) == batch_size
            passes.clear()


@pytest.mark.usefixtures("few_path_points")
def test_batches_do_not_change_the_result(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    one_pass, four_passes = (
        attribute(network, astronaut, PixelTarget(9, 9, refined=True), tolerance=ROUGH, batch_size=size)
        for size in (1, 4)
    )
    np.testing.assert_allclose(one_pass.square, four_passes.square, atol=1e-4 * np.abs(one_pass.square).max())


def test_only_the_requested_steps_are_computed(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    result = [
        attribute(network, astronaut, PixelTarget(9, 9, 0), "grad_cam", steps=steps, block="conv3") for steps in (0, 4)
    ]
    np.testing.assert_array_equal(result[0].square, result[1].square)
    # Four steps of a network trained with two: the last head is used again.
    later = attribute(network, astronaut, PixelTarget(200, 120), "grad_cam", steps=4)
    last = network.trace(astronaut, steps=4).steps[4].logits[:, int(120.5 / 512 * SIDE), int(200.5 / 512 * SIDE)]
    # Relative, as it is −14.6: five passes with gradients and without differ by its last digits, on some processors.
    assert later.value == pytest.approx(last[1] - last[0], rel=2e-6)


@pytest.mark.usefixtures("few_path_points")
@pytest.mark.parametrize("sizing", ["smooth", "published"])
def test_every_sizing_works_with_a_binary_prior(astronaut: NDArray[np.uint8], sizing: str) -> None:
    model = filled(DGRL(replace(SMALLEST, sizing=sizing, prior="binary", kernel_size=3)))
    pixel = model.trace(astronaut).pixel(100, 300)
    result = attribute(model, astronaut, PixelTarget(100, 300, refined=True), tolerance=ROUGH)
    assert result.value == pytest.approx(pixel.foreground - pixel.background, abs=1e-4)
    assert np.isfinite(result.square).all()


def test_a_photo_like_its_baseline_has_nothing_to_explain(network: DGRL) -> None:
    result = attribute(network, np.zeros((40, 60, 3), np.uint8), PixelTarget(5, 5), baseline="black")
    assert result.value == result.baseline_value
    assert not result.square.any()
    assert result.completeness_error == 0
    assert result.share_inside(np.ones((40, 60), bool)) == 0


def test_the_map_comes_back_to_the_photo() -> None:
    square = np.zeros((96, 96), np.float32)
    square[24:36, 60:72] = 1
    square[80:, :8] = -2
    result = Attribution(square, (192, 288), ObjectTarget(), "occlusion", 1.0, 0.0, None, 0.0)
    assert result.values.shape == (192, 288)
    rows, columns = np.nonzero(result.values > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (48, 71, 180, 215)
    assert result.values.min() == -2
    region = np.zeros((192, 288), bool)
    region[:, 198:] = True  # the right half of what speaks for it
    assert result.share_inside(region) == pytest.approx(0.5, abs=0.01)
    assert result.share_inside(~region) == pytest.approx(0.5, abs=0.01)


BAD: dict[str, tuple[Target, dict[str, object], str]] = {
    "left of the photo": (PixelTarget(-1, 0), {}, r"pixel \(-1, 0\) is outside the photo of 512×512"),
    "below the photo": (PixelTarget(0, 512), {}, "outside the photo"),
    "a later step": (ObjectTarget(3), {}, "no time step 3: this pass has t = 0 to 2"),
    "a step that was cut off": (ObjectTarget(2), {"steps": 1}, "t = 0 to 1"),
    "a negative step": (CellTarget("conv3", 0, 0, -1), {}, "no time step -1"),
    "a step of the refined map": (PixelTarget(0, 0, 1, refined=True), {}, "follows the last time step"),
    "a level": (CellTarget("conv2", 0, 0), {}, "no level 'conv2': weight maps are at conv3, conv4, conv5"),
    "a cell": (CellTarget("conv4", 2, 0), {}, "row 2, column 0 is outside conv4's weight map of 2×2 cells"),
    "a method": (ObjectTarget(), {"method": "magic"}, "no method 'magic': choose integrated_gradients"),
    "a baseline": (ObjectTarget(), {"baseline": "white"}, "no baseline 'white': choose blurred, grey, black"),
    "a block": (ObjectTarget(), {"method": "grad_cam", "block": "conv6"}, "no block 'conv6'"),
    "a block's later step": (
        PixelTarget(0, 0, 1),
        {"method": "grad_cam", "block_step": 2},
        "block_step must be 0 to 1",
    ),
    "a block above the level": (
        CellTarget("conv3", 0, 0),
        {"method": "grad_cam", "block": "conv4"},
        "conv4 has no influence on conv3's weight map",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_unknown_settings_are_refused_in_words(network: DGRL, astronaut: NDArray[np.uint8], name: str) -> None:
    target, settings, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        attribute(network, astronaut, target, **settings)


def test_without_context_module_there_are_no_cells(astronaut: NDArray[np.uint8]) -> None:
    model = filled(DGRL(replace(SMALLEST, context=False)))
    with pytest.raises(ValueError, match="no Contextual Weighting Module"):
        attribute(model, astronaut, CellTarget("conv3", 0, 0))


def test_explaining_the_object_needs_an_object(network: DGRL, astronaut: NDArray[np.uint8]) -> None:
    assert network.trace(astronaut).steps[0].saliency.max() < 0.5
    with pytest.raises(ValueError, match="nothing stands out at t = 0"):
        attribute(network, astronaut, ObjectTarget(0))


def test_a_broken_network_is_not_explained(astronaut: NDArray[np.uint8]) -> None:
    broken = filled(DGRL(SMALLEST))
    with torch.no_grad():
        broken.rln.heads[2].classify.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        attribute(broken, astronaut, PixelTarget(0, 0))
