"""The ONNX file computes what the library does, altered and unaltered, for networks of every kind."""

import copy
import functools
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl import DGRL, DGRLConfig, Trace, tap_names
from dgrl.cli import main
from dgrl.export import Exported, ExportError, as_inputs, defaults, export, write
from dgrl.export.write import BRN_IMAGE, RLN_IMAGE
from dgrl.images import to_tensor
from dgrl.prompts import box_prompt, mask_prompt
from dgrl.taps import (
    Edit,
    before_refinement,
    flatten_map,
    give_map,
    identity_kernels,
    mean_kernels,
    paint_map,
    scale_feedback,
    weight_map_name,
)
from tests.helpers.networks import TINY, TRAINED, draw_photo, filled

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

SMALLEST = "no maps, one look, a binary prior"
ATTENDED = "attended feedback, dilations, two propagations"
KINDS: dict[str, DGRLConfig] = {
    "as published in 2018, small": DGRLConfig.published(
        steps=1, rln_size=96, brn_size=80, refinement_channels=(8, 8), side_channels=8, context_channels=4
    ),
    ATTENDED: replace(
        TINY, steps=1, feedback="attended", refinement_dilations=(1, 2, 1), propagations=2, kernel_size=3
    ),
    SMALLEST: replace(TRAINED, context=False, steps=0, prior="binary", kernel_size=7, share_heads=True),
}
PAINTING = np.zeros((16, 12))
PAINTING[3:9, 2:7] = 1
Make = Callable[[str], tuple[DGRL, Exported]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that exports the network of a kind, once."""
    folder = tmp_path_factory.mktemp("onnx")
    exports: dict[str, tuple[DGRL, Exported]] = {}

    def make(kind: str) -> tuple[DGRL, Exported]:
        if kind not in exports:
            network = calm(filled(DGRL(KINDS[kind])))
            exports[kind] = network, export(network, folder / f"{len(exports)}.onnx")
        return exports[kind]

    return make


@torch.no_grad()
def calm(network: DGRL) -> DGRL:
    """Scale the logits to a trained network's size, because rounding dominates in a map of ones that is stretched."""
    steps = network.rln(write.squares(network)[RLN_IMAGE]).steps
    for head, step in zip(network.rln.heads, steps, strict=False):
        for parameter in head.classify.parameters():
            parameter *= 5 / step.logits.abs().max()
    return network


def run(
    path: Path, network: DGRL, edits: list[Edit], photo: np.ndarray, theirs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return every output of the file for a photo of BRN's size."""
    session = opened(path)
    config, picture = network.config, to_tensor(photo)
    feeds = {
        RLN_IMAGE: network.sizing.for_rln(picture, config.rln_size).numpy(),
        BRN_IMAGE: network.sizing.for_brn(picture, torch.zeros(1, 1, 8, 8), config.brn_size)[0].numpy(),
    }
    assert {value.name for value in session.get_outputs()} == set(theirs)
    unaltered = defaults(session)
    result = session.run(list(theirs), feeds | unaltered | as_inputs(edits, unaltered))
    return dict(zip(theirs, result, strict=True))


def batched(trace: Trace) -> dict[str, np.ndarray]:
    """Return the taps of a trace with the batch and channel axes of tensors."""
    return {name: values[None, None] if values.ndim == 2 else values[None] for name, values in trace.taps.items()}


@functools.cache
def opened(path: Path) -> Any:
    """Open a file in onnxruntime."""
    from dgrl.export.graph import session as started  # once it is known that onnx is there

    return started(str(path))


EDITS: dict[str, list[Edit]] = {
    "none": [],
    "flat maps": [flatten_map("conv3"), flatten_map("conv5", 0)],
    "painted, twice, and on a flat one": [
        paint_map("conv4", PAINTING, 4.0),
        paint_map("conv4", PAINTING[:, ::-1], 0.5),
        flatten_map("conv5"),
        paint_map("conv5", PAINTING, 3.0),
    ],
    "a box as prompt": [box_prompt(0.1, 0.2, 0.45, 0.9)],
    "a mask as prompt, painted over": [mask_prompt(PAINTING), paint_map("conv4", PAINTING, 2.0, 0)],
    "a map of one's own": [
        Edit(weight_map_name("conv3", 1), np.linspace(0, 2, 6)[None, None, None].astype(np.float32))
    ],
    "given maps": [give_map("conv3", PAINTING, 1), give_map("conv5", PAINTING + 1)],
    "feedback cut and scaled": [scale_feedback("conv5", 0), scale_feedback("conv3", 1.5, 1)],
    "mean kernels": [mean_kernels()],
    "identity kernels": [identity_kernels()],
    "before refinement": [before_refinement()],
}


@pytest.mark.parametrize("edits", EDITS)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == SMALLEST else pytest.mark.slow) for kind in KINDS]
)
def test_taps_and_edits_are_the_library_s(made: Make, kind: str, edits: str) -> None:
    network, written = made(kind)
    config = network.config
    taps = tap_names(config.steps, config.context, config.propagations)
    if any(edit.tap not in taps and "*" not in edit.tap for edit in EDITS[edits]):
        pytest.skip("this network has no such tap")
    if (not config.context and "map" in str(EDITS[edits])) or (config.steps == 0 and "feedback" in edits):
        pytest.skip("this network has no such tap")
    # The published sizing takes RLN's map to the photo's size and back; here that is BRN's size.
    photo = draw_photo(config.brn_size, config.brn_size, seed=5)[0]
    expected = batched(network.trace(photo, edits=EDITS[edits]))
    assert list(expected) == taps
    result = run(written.path, network, EDITS[edits], photo, expected)
    if write.only_rounded_otherwise(network, result, expected):
        expected = batched(network.trace(photo, edits=[*EDITS[edits], Edit("brn.prior", result["brn.prior"])]))
    result = write.differences(result, expected)
    assert max(result.values()) <= 1e-4, result


@pytest.mark.slow
def test_edits_change_the_values_at_their_tap(made: Make) -> None:
    """Else the test above would compare nothing with nothing."""
    network, written = made("attended feedback, dilations, two propagations")
    photo = draw_photo(80, 80, seed=5)[0]
    expected = batched(network.trace(photo))
    plain = run(written.path, network, [], photo, expected)
    for name, edits in EDITS.items():
        altered = run(written.path, network, edits, photo, expected)
        assert bool(np.abs(plain["brn.refined"] - altered["brn.refined"]).max() > 1e-3) == bool(edits), name


@pytest.mark.slow
def test_any_batch(made: Make) -> None:
    _, written = made("as published in 2018, small")
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    batch = {RLN_IMAGE: random.random((3, 3, 96, 96), np.float32), BRN_IMAGE: random.random((3, 3, 80, 80), np.float32)}
    edits = defaults(session)
    together = session.run(["brn.refined"], batch | edits)[0]
    assert together.shape == (3, 1, 80, 80)
    for i in range(3):
        alone = session.run(["brn.refined"], {name: pictures[i : i + 1] for name, pictures in batch.items()} | edits)[0]
        assert np.abs(alone[0] - together[i]).max() < 1e-4


@pytest.mark.slow
def test_the_printed_values_are_in_the_file(made: Make) -> None:
    network, written = made("attended feedback, dilations, two propagations")
    graph = onnx.load(written.path)
    onnx.checker.check_model(graph)
    assert written.opset == next(opset.version for opset in graph.opset_import if not opset.domain) >= 18
    assert set(written.inputs) == {value.name for value in graph.graph.input}
    assert set(written.inputs) - set(written.altering) == {RLN_IMAGE, BRN_IMAGE}
    assert written.inputs[RLN_IMAGE] == ["batch", 3, 96, 96]
    assert written.outputs["rln.t1.logits"] == ["batch", 2, 96, 96]
    assert written.megabytes == pytest.approx(written.path.stat().st_size / 1e6)
    about = {entry.key: entry.value for entry in graph.metadata_props}
    assert DGRLConfig(**json.loads(about["dgrl.config"])) == network.config
    assert about["dgrl.steps"] == "1"
    assert json.loads(about["dgrl.preprocessing"])[RLN_IMAGE]["size"] == 96
    assert all("0 to 1" in value.doc_string for value in graph.graph.input if value.name in (RLN_IMAGE, BRN_IMAGE))
    assert set(json.loads(about["dgrl.defaults"])) == set(written.altering)
    beside = json.loads(written.path.with_suffix(".json").read_text())
    assert beside["inputs"] == written.inputs
    assert beside["preprocessing"] == json.loads(about["dgrl.preprocessing"])


@pytest.fixture
def documented(made: Make, tmp_path: Path) -> tuple[Path, DGRL, dict[str, str]]:
    """Return a folder with a file and a photo, and the documentation's code by language."""
    network, written = made(SMALLEST)
    shutil.copy(written.path, tmp_path / "model.onnx")
    shutil.copy(written.path.with_suffix(".json"), tmp_path / "model.json")
    Image.fromarray(draw_photo(50, 70, seed=5)[0]).save(tmp_path / "photo.jpg", quality=95)
    text = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    return tmp_path, network, dict(re.findall(r"```(python|js)\n(.+?)```", text, re.DOTALL))


def test_the_documented_python_code_runs_the_file(
    documented: tuple[Path, DGRL, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, network, lines = documented
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(lines["python"], names)
    result = np.asarray(Image.open("saliency.png"), float) / 255
    assert np.abs(result - network.detect("photo.jpg")).mean() < 0.02


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.skipif(not (Path(__file__).parents[2] / "node_modules/onnxruntime-web").exists(), reason="needs npm ci")
def test_the_documentation_s_lines_feed_the_file_in_onnxruntime_web(
    documented: tuple[Path, DGRL, dict[str, str]],
) -> None:
    folder, network, lines = documented
    session = opened(folder / "model.onnx")
    photo = Image.open(folder / "photo.jpg")
    feeds = dict(defaults(session))
    for name, side in ((RLN_IMAGE, network.config.rln_size), (BRN_IMAGE, network.config.brn_size)):
        square = photo.resize((side, side), Image.Resampling.BILINEAR)
        (folder / f"{side}.rgba").write_bytes(square.convert("RGBA").tobytes())
        feeds[name] = np.asarray(square, np.float32).transpose(2, 0, 1)[None] / 255
    (folder / "node_modules").symlink_to(Path(__file__).parents[2] / "node_modules", target_is_directory=True)
    around = """
import { readFileSync, writeFileSync } from "node:fs";
globalThis.fetch = async (name) => new Response(readFileSync(name));
const squareOf = (side) => readFileSync(`${side}.rgba`);
LINES
writeFileSync("found.json", JSON.stringify(Array.from(saliency)));
"""
    (folder / "run.mjs").write_text(around.replace("LINES", lines["js"]))
    completed = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert completed.stderr == ""
    (expected,) = session.run(["brn.refined"], feeds)
    result = np.array(json.loads((folder / "found.json").read_text())).reshape(expected.shape)
    assert np.abs(result - expected).max() < 2e-3


def test_a_session_starts_without_a_warning(made: Make) -> None:
    _, written = made(SMALLEST)
    code = f"import onnxruntime; onnxruntime.InferenceSession({str(written.path)!r})"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stderr == ""


def test_a_file_without_edits_has_only_the_photo_as_input(made: Make, tmp_path: Path) -> None:
    network, written = made(SMALLEST)
    plain = export(network, tmp_path / "plain.onnx", edits=False)
    assert list(plain.inputs) == [RLN_IMAGE, BRN_IMAGE]
    assert plain.outputs == written.outputs
    feeds = {name: picture.numpy() for name, picture in write.pictures(network)[0].items()}
    with_edits = opened(written.path)
    (result,) = opened(plain.path).run(["brn.refined"], feeds)
    (expected,) = with_edits.run(["brn.refined"], feeds | defaults(with_edits))
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_half_precision_is_half_as_large(made: Make, tmp_path: Path) -> None:
    network, written = made(SMALLEST)
    half = export(network, tmp_path / "half.onnx", half=True)
    stored = [tensor.data_type for tensor in onnx.load(half.path).graph.initializer]
    assert stored.count(onnx.TensorProto.FLOAT16) > 10
    assert half.megabytes < 0.65 * written.megabytes
    assert half.difference <= 0.01


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[DGRL, Exported, Exported]:
    """Return a network whose weights are stored in half precision, its file, and its file with `half`."""
    folder = tmp_path_factory.mktemp("half")
    network = calm(filled(DGRL(KINDS[ATTENDED]))).half().float()
    return network, export(network, folder / "model.onnx"), export(network, folder / "half.onnx", half=True)


def test_half_precision_keeps_every_weight_of_a_checkpoint(halves: tuple[DGRL, Exported, Exported]) -> None:
    """A checkpoint may hold its weights in half precision: then the file is as accurate as any."""
    network, _, half = halves
    weights = [value.half().numpy() for value in network.state_dict().values()]
    for tensor in onnx.load(half.path).graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT16:
            values = onnx.numpy_helper.to_array(tensor)
            assert not values.any() or any(np.array_equal(values, weight) for weight in weights), tensor.name
    session = opened(half.path)
    for batch in write.pictures(network):
        feeds = {name: picture.numpy() for name, picture in batch.items()} | defaults(session)
        for name, expected in write.recorded(network, 1, [], batch).items():
            (result,) = session.run([name], feeds)
            np.testing.assert_allclose(result, expected, atol=1e-4 * max(1, np.abs(expected).max()), err_msg=name)


def test_half_precision_costs_no_time(halves: tuple[DGRL, Exported, Exported], tmp_path: Path) -> None:
    """What converts weights is folded when onnxruntime loads the file: then it runs the same operators."""
    _, written, half = halves
    assert operators(half.path, tmp_path) == operators(written.path, tmp_path)


def operators(path: Path, folder: Path) -> Counter[str]:
    """Count the operators that onnxruntime runs, in the form that it gives a graph when it loads it."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "loaded.onnx")
    options.log_severity_level = 3  # a form for this machine alone, it warns
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "loaded.onnx").graph.node)


def test_a_file_that_is_wrong_is_not_kept(made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is what finds it: here what is written is another network."""
    from dgrl.export import graph  # once it is known that onnx is there

    network, written = made(SMALLEST)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.rln.heads[0].classify.bias[1] += 0.01
    monkeypatch.setattr(graph, "to_onnx", lambda *_, **__: onnx.load(written.path))
    with pytest.raises(ExportError, match=r"rln\.t0\.logits with an error of"):
        export(other, tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("edit", [Edit("brn.coefficients", 1.0), Edit("rln.t0.logits", 0.0), flatten_map("conv3", 7)])
def test_inexpressible_edits_are_refused(edit: Edit) -> None:
    defaults = {"brn.coefficients.mix": np.ones(3, np.float32), "rln.t0.conv3.weight_map.factor": np.ones((1, 1, 2, 2))}
    with pytest.raises(ValueError, match=r"cannot be expressed|no tap named"):
        as_inputs([edit], defaults)


def test_the_command_writes_the_file_and_prints_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(DGRL(KINDS[SMALLEST])).save_pretrained(tmp_path / "weights")
    out = tmp_path / "new" / "model.onnx"
    assert main(["export", "--weights", str(tmp_path / "weights"), "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert out.is_file()
    assert "opset 18" in text
    assert "batch×3×64×64" in text
    assert "brn.coefficients.mix" in text


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    """The export runs in a process of its own, in which the packages cannot be imported."""
    code = (
        "import sys; sys.modules.update(onnx=None, onnxruntime=None, onnxscript=None); from dgrl.cli import main; "
        f"sys.exit(main(['export', '-o', {str(tmp_path / 'model.onnx')!r}]))"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert completed.stderr.strip().splitlines() == ["dgrl: this needs the package onnx: pip install 'dgrl[export]'"]
    assert not (tmp_path / "model.onnx").exists()
