"""The static page in a browser: the library's numbers, nothing sent, and nothing needed once it has been loaded."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page
from torch.nn import functional as F

from dgrl import DGRL, Trace
from dgrl.files import shipped
from dgrl.taps import Edit, before_refinement, flatten_map, identity_kernels, mean_kernels, paint_map, scale_feedback
from tests.helpers.networks import draw_photo
from tests.web.conftest import SHIPPED, Site, Visit, built, copied, wait

pytestmark = pytest.mark.browser

PASS = """async ([bytes, altered, steps]) => {
  const { engine, readPhoto } = window.dgrl;
  const { inputsOf, unaltered } = await import(new URL("alterations.js", location.href).href);
  const encoded = (values) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(new Blob([values]));
  });
  const binary = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const photo = await readPhoto(new Blob([binary]), "test");
  engine.photo(photo.key, photo.image);
  const settings = { ...unaltered(), ...altered };
  for (const stroke of Object.values(settings.painted)) stroke.share = Float32Array.from(stroke.share);
  const wish = { slot: "test", photo: photo.key, steps, inputs: inputsOf(settings, steps), all: true };
  const { arrays } = await engine.run(wish);
  const names = Object.keys(arrays);
  const texts = await Promise.all(names.map((name) => encoded(arrays[name])));
  return Object.fromEntries(names.map((name, i) => [name, texts[i]]));
}"""
"""Every array of a pass over a file, as the page's own scripts compute it."""

ALTERED: dict[str, tuple[dict[str, object], list[Edit]]] = {
    "nothing": ({}, []),
    "flat maps at one step": (
        {"flat": ["conv3", "conv5"], "at": "1"},
        [flatten_map("conv3", 1), flatten_map("conv5", 1)],
    ),
    "feedback": ({"feedback": {"conv5": 0, "conv3": 1.5}}, [scale_feedback("conv5", 0), scale_feedback("conv3", 1.5)]),
    "a mean kernel": ({"kernels": "mean"}, [mean_kernels()]),
    "identity kernels": ({"kernels": "identity"}, [identity_kernels()]),
    "no refinement": ({"kernels": "none"}, [before_refinement()]),
}


def in_the_page(page: Page, file: Path, altered: dict[str, object], steps: int) -> dict[str, np.ndarray]:
    given = page.evaluate(PASS, [base64.b64encode(file.read_bytes()).decode(), altered, steps])
    return {name: np.frombuffer(base64.b64decode(text), np.float32) for name, text in given.items()}


def differences_of(network: DGRL, given: dict[str, np.ndarray], trace: Trace) -> dict[str, float]:
    """The largest difference of each tap, absolute.

    A binary prior rounds a probability of one half up here and down there; where it did, and as far as BRN sees from
    there, nothing is compared.
    """
    names = {"brn.prior": "brn.round0", "brn.refined": f"brn.round{network.config.propagations}"}
    theirs = {name: batched(values) for name, values in trace.taps.items()}
    ours = {name: given[names.get(name, name)].reshape(values.shape) for name, values in theirs.items()}
    flipped = np.abs(ours["brn.prior"] - theirs["brn.prior"]) > 0.5
    assert flipped.sum() <= 5
    reach = network.brn.reach + 1
    unlike = F.max_pool2d(torch.from_numpy(flipped).float(), 2 * reach + 1, 1, reach).bool().numpy()
    return {
        name: float(np.abs(np.where(unlike, 0, ours[name] - values)).max())
        if name.startswith("brn.")
        else float(np.abs(ours[name] - values).max())
        for name, values in theirs.items()
    }


def batched(values: np.ndarray) -> np.ndarray:
    return values[None, None] if values.ndim == 2 else values[None]


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(draw_photo(90, 120)[0]).save(path)
    return path


@pytest.mark.parametrize("name", ALTERED)
def test_altered_passes_are_the_library_s(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path, name: str
) -> None:
    """With three time steps: one more than was trained."""
    altered, edits = ALTERED[name]
    given = in_the_page(visit(site), png, altered, steps=2)
    found = differences_of(small_network[0], given, small_network[0].trace(png, steps=2, edits=edits))
    assert max(found.values()) < 2e-3, found


def test_paintings_are_the_library_s(small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path) -> None:
    painting = np.zeros((6, 6))
    painting[1:4, 2:5] = 1
    edit = paint_map("conv3", painting, 4.0, 0)
    share = (edit.change.factor(6, 6).numpy() - 1) / 3  # type: ignore[union-attr]
    altered = {"painted": {edit.tap: {"share": share.ravel().tolist(), "strength": 4.0}}}
    given = in_the_page(visit(site), png, altered, steps=1)
    found = differences_of(small_network[0], given, small_network[0].trace(png, steps=1, edits=[edit]))
    assert max(found.values()) < 2e-3, found


@pytest.mark.slow
def test_every_tap_of_the_examples_is_the_library_s(visit: Visit, tmp_path: Path) -> None:
    """With the network that ships, in float32, and with what a first visit loads: weights in half precision."""
    network = DGRL.from_pretrained(SHIPPED)
    photos = sorted(shipped("examples").glob("*.jpg"))[:5]
    traces = {photo: network.trace(photo) for photo in photos}
    for exact in (True, False):
        site = Site(built(tmp_path / str(exact), SHIPPED, exact))
        page = visit(site)
        for photo, trace in traces.items():
            given = in_the_page(page, photo, {}, network.config.steps)
            found = differences_of(network, given, trace)
            if exact:
                assert max(found.values()) < 2e-3, (photo.name, found)
            for t, step in enumerate(trace.steps):
                assert np.abs(given[f"rln.t{t}.saliency"] - step.saliency.ravel()).max() < 0.01, photo.name
            assert max(found["brn.prior"], found["brn.refined"]) < 0.01, photo.name
        site.stop()


def test_nothing_is_sent(site: Site, visit: Visit, png: Path) -> None:
    """Once it is loaded nothing is asked for but the example that is clicked; and nobody else is ever asked."""
    page = visit(site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    page.set_input_files("#file", png)
    page.wait_for_function(
        "window.dgrl.passes[0]?.header.title === 'photo.png' && window.dgrl.passes[0].arrays['brn.round1']"
    )
    page.get_by_label("conv5", exact=True).check()
    page.wait_for_function("window.dgrl.passes[1]?.arrays['brn.round1']")
    assert [one for one in asked if "blob:" not in one] == []
    assert page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"


def test_it_works_without_a_server(small_page: Path, visit: Visit, tmp_path: Path) -> None:
    """After the first visit, everything is there; isolated, so that it may use threads."""
    site = Site(copied(small_page, tmp_path / "dist"))
    page = visit(site)
    assert page.evaluate("window.crossOriginIsolated")
    site.stop()
    page.context.set_offline(True)
    page.reload()
    wait(page)
    assert page.evaluate("Object.keys(window.dgrl.passes[0].arrays).length") > 8
    page.get_by_role("button", name="raccoon").click()
    page.wait_for_function("window.dgrl.passes[0].header.title === 'raccoon.jpg'")


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)], ids=["desktop", "phone"])
def test_a_person_can_alter_paint_and_undo(site: Site, visit: Visit, size: tuple[int, int]) -> None:
    page = visit(site, "", *size)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    said = page.locator("#said")
    page.get_by_label("conv4", exact=True).check()
    page.wait_for_function("document.querySelector('#said').textContent.includes('conv4 flattened at every step')")
    assert re.search(r"\d\.\d{4} away on average", said.inner_text())
    assert "flat=conv4" in page.url
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("window.dgrl.passes[1] === null")
    assert "flat" not in page.url
    page.evaluate("window.explorer.set({map: 'conv3', step: 0})")
    page.get_by_role("button", name="paint", exact=True).click()
    box = page.locator(".room canvas").first.bounding_box()
    assert box is not None
    page.locator(".room").scroll_into_view_if_needed()
    box = page.locator(".room canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#said').textContent.includes('conv3 at t = 0 painted')")
    changed = page.evaluate("window.dgrl.passes.map((pass) => Math.max(...pass.arrays['rln.t0.conv3.weight_map']))")
    assert changed[0] != changed[1]


def test_an_address_is_followed(site: Site, visit: Visit) -> None:
    page = visit(site, "#photo=coffee.jpg&T=0&kernels=identity")
    page.wait_for_function("window.dgrl.passes[1]?.arrays['brn.round1']")
    assert page.evaluate("window.dgrl.passes[1].header.title") == "coffee.jpg"
    assert page.evaluate("window.dgrl.passes[1].header.steps") == 1
    assert "BRN’s kernels: identity" in page.locator("#said").inner_text()
    half = page.evaluate("window.dgrl.passes[1].arrays['brn.coefficients'].reduce((sum, v) => sum + v, 0)")
    assert half == 80 * 80  # one for each pixel


def test_a_file_that_is_no_picture_is_refused_in_words(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.set_input_files("#file", tmp_path / "no.png")
    page.wait_for_function("document.querySelector('#said').textContent.includes('cannot read it as a picture')")


def test_licences_of_all_parts_are_there(small_page: Path) -> None:
    said = (small_page / "licences" / "README.txt").read_text("utf-8")
    for name in re.findall(r"[\w-]+\.(?:txt|md)", said):
        assert (small_page / "licences" / name).is_file() or name == "weights.md", name
    assert "onnxruntime-web 1.30.0 (MIT)" in said
