"""The static page's numbers equal the library's, with every kind of edit."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page
from torch.nn import functional as F

from dgrl import DGRL, Trace
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.edits import read_edits, write_mask
from dgrl.experiments import sizes_of
from dgrl.experiments.tour import tour
from dgrl.files import EXAMPLES
from tests.web.conftest import Site, Visit, values, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASS = """async ([bytes, edits, steps]) => {
  const { engine } = window.dgrl.loader;
  const here = (name) => import(new URL(name, document.baseURI).href);
  const [{ inputsOf }, { readPhoto }] = [await here("engines/worker/inputs.js"), await here("engines/pixels.js")];
  const encoded = (values) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(new Blob([values]));
  });
  const binary = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const photo = await readPhoto(new Blob([binary]), "test");
  engine.send(await engine.network(), photo);
  let localised = {};
  const run = { photo: photo.key, steps, inputs: inputsOf(edits, steps, engine.grids), until: "brn", all: true };
  const { arrays } = await engine.ask("run", { run }, { tell: (message) => { localised = message.arrays; } });
  const whole = { ...localised, ...arrays };
  const names = Object.keys(whole);
  const texts = await Promise.all(names.map((name) => encoded(whole[name])));
  return Object.fromEntries(names.map((name, i) => [name, texts[i]]));
}"""
"""Every array of a file's pass, as the page's engine computes it."""

MASK = write_mask(np.arange(60).reshape(6, 10) % 10 > 5)
OTHER_MASK = write_mask(np.arange(60).reshape(6, 10) < 25)
EDITS: dict[str, list[dict[str, object]]] = {
    "nothing": [],
    "flat maps, one at one step": [
        {"kind": "flatten", "level": "conv3", "at": 1},
        {"kind": "flatten", "level": "conv5"},
    ],
    "feedback": [
        {"kind": "feedback", "block": "conv5", "factor": 0},
        {"kind": "feedback", "block": "conv3", "factor": 1.5, "at": 1},
    ],
    "paint at the first step": [{"kind": "paint", "level": "conv4", "strength": 4, "mask": MASK, "at": 0}],
    "paint twice, and on a flat map": [
        {"kind": "paint", "level": "conv3", "strength": 4, "mask": MASK},
        {"kind": "paint", "level": "conv3", "strength": 0, "mask": OTHER_MASK, "at": 0},
        {"kind": "paint", "level": "conv5", "strength": 3, "mask": OTHER_MASK},
        {"kind": "flatten", "level": "conv5"},
    ],
    "a mean kernel": [{"kind": "kernels", "to": "mean"}],
    "identity kernels": [{"kind": "kernels", "to": "identity"}],
    "no refinement": [{"kind": "unrefined"}],
    "a box": [{"kind": "prompt", "box": [0.1, 0.2, 0.55, 0.7]}],
    "a click's mask": [{"kind": "prompt", "mask": OTHER_MASK}],
}


def page_arrays_of(page: Page, file: Path, edits: list[dict[str, object]], steps: int) -> dict[str, np.ndarray]:
    page_arrays = page.evaluate(PASS, [base64.b64encode(file.read_bytes()).decode(), edits, steps])
    return {name: np.frombuffer(base64.b64decode(text), np.float32) for name, text in page_arrays.items()}


def differences_of(network: DGRL, page_arrays: dict[str, np.ndarray], trace: Trace) -> dict[str, float]:
    """Return the largest absolute difference of each tap.

    A binary prior may round a probability of one half up in one and down in the other. Pixels that BRN computes from
    such a place are not compared.
    """
    names = {"brn.prior": "brn.round0", "brn.refined": f"brn.round{network.config.propagations}"}
    expected = {name: batched(values) for name, values in trace.taps.items()}
    result = {name: page_arrays[names.get(name, name)].reshape(values.shape) for name, values in expected.items()}
    flipped = np.abs(result["brn.prior"] - expected["brn.prior"]) > 0.5
    assert flipped.sum() <= 5
    reach = network.brn.reach + 1
    unlike = F.max_pool2d(torch.from_numpy(flipped).float(), 2 * reach + 1, 1, reach).bool().numpy()
    return {
        name: float(np.abs(np.where(unlike, 0, result[name] - values)).max())
        if name.startswith("brn.")
        else float(np.abs(result[name] - values).max())
        for name, values in expected.items()
    }


def batched(values: np.ndarray) -> np.ndarray:
    return values[None, None] if values.ndim == 2 else values[None]


def test_changed_passes_equal_the_library_s(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path
) -> None:
    """Compare three time steps, one more than trained."""
    page = visit(site)
    for name, edits in EDITS.items():
        page_arrays = page_arrays_of(page, png, edits, steps=2)
        trace = small_network[0].trace(png, steps=2, edits=read_edits(edits))
        explanation = differences_of(small_network[0], page_arrays, trace)
        assert max(explanation.values()) < 2e-3, (name, explanation)


def test_taps_and_tour_of_the_shipped_network_equal_the_library_s(shipped_page: Path, visit: Visit) -> None:
    """The tour's experiments, opened by clicks, show the library's numbers with the shipped half-precision weights."""
    network = DGRL.from_pretrained()
    site = Site(shipped_page)
    page = visit(site)
    photo = EXAMPLES / "coffee.jpg"
    trace = network.trace(photo)
    page_arrays = page_arrays_of(page, photo, [], network.config.steps)
    explanation = differences_of(network, page_arrays, trace)
    assert max(explanation.values()) < 2e-3, explanation
    for t, step in enumerate(trace.steps):
        assert np.abs(page_arrays[f"rln.t{t}.saliency"] - step.saliency.ravel()).max() < 0.01
    page.get_by_test_id("take-tour").click()
    for experiment in tour(sizes_of(SHIPPED_WEIGHTS)):
        if experiment["key"] not in ("narrowing", "remember", "kernels", "point"):
            continue
        page.get_by_test_id(f"tour-{experiment['key']}").click()
        page.get_by_test_id("tour-show").click()
        wait(page)
        slots = experiment["show"]["slots"]
        for shown in values(page):
            requests = slots[shown["slot"]]
            own = network.trace(
                EXAMPLES / f"{requests['photo']}.jpg", steps=requests["steps"], edits=read_edits(requests["edits"])
            )
            step = own.steps[min(shown["step"], len(own.steps) - 1)]
            maps = {"prediction": step.saliency, "result": own.refined, "refined": own.refined, "prior": own.prior}
            expected = maps.get(shown["map"], step.weight_maps.get(shown["map"]))
            assert shown["ready"], experiment["key"]
            if expected is not None:
                assert abs(shown["mean"] - float(expected.mean())) < 2e-3, (experiment["key"], shown)
    site.stop()


def test_the_page_loads_less_than_22_megabytes(shipped_page: Path) -> None:
    from web.build import first_view

    manifest = json.loads((shipped_page / "manifest.json").read_text("utf-8"))
    first = first_view(shipped_page, manifest)
    assert first < 1e6
    assert first + manifest["download"]["wasm"] < 22e6
