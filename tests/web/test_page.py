"""The static page in a browser: the library's numbers, nothing sent, and nothing needed once it has been loaded."""

import base64
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page
from torch.nn import functional as F

from dgrl import DGRL, Trace
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.explorer.edits import read_edits, write_mask
from dgrl.files import EXAMPLES
from tests.explorer.conftest import settle
from tests.web.conftest import Site, Visit, built, copied, shows, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"

PASS = """async ([bytes, edits, steps]) => {
  const { engine, readPhoto, inputsOf, grids } = window.dgrl;
  const encoded = (values) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(new Blob([values]));
  });
  const binary = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const photo = await readPhoto(new Blob([binary]), "test");
  engine.photo(photo.key, photo.image);
  const inputs = inputsOf(edits, steps, grids);
  const { arrays } = await engine.run({ slot: "test", photo: photo.key, steps, inputs, all: true });
  const names = Object.keys(arrays);
  const texts = await Promise.all(names.map((name) => encoded(arrays[name])));
  return Object.fromEntries(names.map((name, i) => [name, texts[i]]));
}"""
"""Every array of a pass over a file, as the page's own scripts compute it."""

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
}


def in_the_page(page: Page, file: Path, edits: list[dict[str, object]], steps: int) -> dict[str, np.ndarray]:
    given = page.evaluate(PASS, [base64.b64encode(file.read_bytes()).decode(), edits, steps])
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


def test_altered_passes_are_the_library_s(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path
) -> None:
    """With three time steps: one more than was trained."""
    page = visit(site)
    for name, edits in EDITS.items():
        given = in_the_page(page, png, edits, steps=2)
        trace = small_network[0].trace(png, steps=2, edits=read_edits(edits))
        found = differences_of(small_network[0], given, trace)
        assert max(found.values()) < 2e-3, (name, found)


def test_every_tap_of_the_examples_is_the_library_s(visit: Visit, tmp_path: Path) -> None:
    """With the network that ships, as a first visit loads it: its weights are stored in half precision anyway."""
    network = DGRL.from_pretrained()
    site = Site(built(tmp_path / "dist", SHIPPED_WEIGHTS, exact=False))
    page = visit(site)
    for photo in sorted(EXAMPLES.glob("*.jpg"))[:2]:
        trace = network.trace(photo)
        given = in_the_page(page, photo, [], network.config.steps)
        found = differences_of(network, given, trace)
        assert max(found.values()) < 2e-3, (photo.name, found)
        for t, step in enumerate(trace.steps):
            assert np.abs(given[f"rln.t{t}.saliency"] - step.saliency.ravel()).max() < 0.01, photo.name
    site.stop()


def test_nothing_is_sent(site: Site, visit: Visit, png: Path) -> None:
    """Once it is loaded nothing is asked for, and no other server can be reached."""
    page = visit(site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    page.set_input_files("#file", png)
    shows(page, 0, "photo.png")
    page.get_by_role("button", name="Alter", exact=True).click()
    page.get_by_role("button", name="All flat").click()
    shows(page, 1, "photo.png")
    page.get_by_role("button", name="Why", exact=True).click()
    page.get_by_role("button", name="Explain").click()
    page.locator(".explaining .result img").wait_for()
    with page.expect_download() as kept:
        page.get_by_role("button", name="Cut-out").click()
    with Image.open(kept.value.path()) as cutout:
        assert (cutout.size, cutout.mode) == ((120, 90), "RGBA")
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
    page.get_by_role("button", name="raccoon", exact=True).click()
    shows(page, 0, "raccoon")


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)], ids=["desktop", "phone"])
def test_a_person_can_alter_paint_and_undo(site: Site, visit: Visit, size: tuple[int, int]) -> None:
    page = visit(site, "", *size)
    shows(page, 0, "astronaut")
    page.get_by_role("button", name="Alter", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    page.get_by_role("button", name="Make conv4’s weight map flat").click()
    shows(page, 1, "astronaut")
    said = page.locator(".altering .said")
    assert said.inner_text() == "conv4 flat"
    page.locator(".effect table").wait_for()
    assert "flatten" in page.url
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => window.dgrl.passes[1] === null")
    assert "flatten" not in page.url
    page.get_by_role("button", name="Paint on conv3’s weight map with the brush").click()
    room = page.locator(".room")
    room.scroll_into_view_if_needed()
    box = page.locator(".room canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    settle(page)
    before = page.locator(".stage .status").inner_text()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    settle(page)
    (untouched,) = re.findall(r"\d\.\d{4}", before)
    assert re.findall(r"\d\.\d{4}", page.locator(".stage .status").inner_text())[0] == untouched
    page.mouse.up()
    shows(page, 1, "astronaut")
    settle(page)
    assert f"untouched {untouched} · altered" in page.locator(".stage .status").inner_text()
    assert said.inner_text().startswith("conv3 painted ×4")
    own, painted = page.evaluate("window.dgrl.passes.map((pass) => [...pass.arrays['rln.t0.conv3.weight_map']])")
    assert own != painted


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_meets_wcag_aa(site: Site, visit: Visit, scheme: str) -> None:
    page = visit(site, scheme=scheme)
    page.evaluate(AXE.read_text("utf-8"))
    for panel in ("Alter", "Why"):
        page.get_by_role("button", name=panel, exact=True).click()
        if panel == "Why":
            page.get_by_role("button", name="Explain").click()
            page.locator(".explaining .result img").wait_for()
        found = page.evaluate(
            """async () => (await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }))
              .violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html, failureSummary }) =>
                `${html.slice(0, 160)} ${failureSummary.slice(0, 300)}`)])"""
        )
        assert found == [], json.dumps([panel, found], indent=1, ensure_ascii=False)


def test_a_link_of_the_app_is_followed(site: Site, visit: Visit) -> None:
    edits = json.dumps([{"kind": "kernels", "to": "identity"}])
    page = visit(site, f"?{urlencode({'tab': 'alter', 'example': 'coffee', 'T': 0, 'two': 1, 'edits': edits})}")
    shows(page, 1, "coffee")
    assert page.evaluate("window.dgrl.passes[1].header.steps") == 1
    assert page.locator(".altering .said").inner_text() == "identity kernels"
    whole = page.evaluate("window.dgrl.passes[1].arrays['brn.coefficients'].reduce((sum, v) => sum + v, 0)")
    assert whole == 80 * 80  # one for each pixel


def test_a_file_that_is_no_picture_is_refused_in_words(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.set_input_files("#file", tmp_path / "no.png")
    page.wait_for_function("() => document.querySelector('#said').textContent.includes('cannot read it as a picture')")


def test_licences_of_all_parts_are_there(small_page: Path) -> None:
    said = (small_page / "licences" / "README.txt").read_text("utf-8")
    for name in re.findall(r"[\w-]+\.(?:txt|md)", said):
        assert (small_page / "licences" / name).is_file() or name == "weights.md", name
    assert "onnxruntime-web 1.30.0 (MIT)" in said


@pytest.mark.parametrize("trouble", ["no room", "forbidden", "no storage"])
def test_it_works_where_nothing_can_be_kept(small_page: Path, browser: Browser, tmp_path: Path, trouble: str) -> None:
    """A browser without room for the page, one without service workers, and one that blocks storage."""
    site = Site(copied(small_page, tmp_path / "dist"))
    if trouble == "no room":
        (tmp_path / "dist" / "photos" / "coffee.jpg").unlink()  # keeping all fails in the same way
    context = browser.new_context(service_workers="block" if trouble == "forbidden" else "allow")
    page = context.new_page()
    if trouble == "no storage":
        page.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('denied') } })")
    page.goto(site.url)
    wait(page)
    assert not page.evaluate("window.crossOriginIsolated")
    assert page.evaluate("Object.keys(window.dgrl.passes[0].arrays).length") > 8
    context.close()
    site.stop()
