"""The page in a notebook: what Python gives the widget, what it answers, and the widget's module in a real browser."""

import base64
import io
import json
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("anywidget")
from PIL import Image

from dgrl import DGRL, Trace
from dgrl.bundle import bundle
from dgrl.figures.notebook import VIEW
from dgrl.images import to_grey
from dgrl.images.matting import matted
from dgrl.taps import flatten_map
from dgrl.widgets import STANDS_FOR, Explorer, explore
from tests.helpers.networks import TINY, draw_photo, filled

# A stand-in for anywidget: it imports the module from text and calls `render` of its default export. Messages of the
# page go to `answered`, which the test exposes; what it returns is emitted as anywidget would.
HOST = """<!doctype html><meta charset=utf-8><title>notebook</title><div id=output></div><script type=module>
const values = VALUES;
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
for (const name of ["first", "second"]) values[name] = bytes(values[name]);
const listeners = {};
const emit = (event, ...rest) => (listeners[event] ?? []).forEach((called) => called(...rest));
const send = async (message, _, buffers = []) => {
  const texts = buffers.map((one) => btoa(String.fromCharCode(...new Uint8Array(one))));
  for (const [content, sent] of await window.answered(message, texts)) emit("msg:custom", content, sent.map(bytes));
};
window.model = { get: (name) => values[name], set: (name, value) => { values[name] = value; }, send,
  save_changes: () => { window.saved = values.scene; },
  on: (event, called) => { (listeners[event] ??= []).push(called); }, off: (event) => { delete listeners[event]; } };
window.emit = emit;
window.listening = () => Object.keys(listeners);
const code = await (await fetch("widget.js")).text();
const widget = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
window.leave = await widget.default.render({ model: window.model, el: document.getElementById("output") });
window.ready = true;
</script>"""
FIELDS = ("requests", "scene", "offer", "capabilities", "live")


@pytest.fixture(scope="module")
def network() -> DGRL:
    return filled(DGRL(TINY))


@pytest.fixture(scope="module")
def trace(network: DGRL) -> Trace:
    return network.trace(draw_photo(120, 200)[0])


@pytest.fixture(scope="module")
def bare() -> Trace:
    """Return a trace of a network with one look, 3×3 kernels and no CWM, of another photo."""
    return filled(DGRL(replace(TINY, steps=0, context=False, kernel_size=3))).trace(draw_photo(90, 60, seed=1)[0])


def asked(explorer: Explorer, monkeypatch: pytest.MonkeyPatch, *buffers: bytes, **call: Any) -> list[Any]:
    """Return the widget's response to a call of the page."""
    sent: list[Any] = []
    monkeypatch.setattr(explorer, "send", lambda content, buffers=(): sent.append((content, list(buffers))))
    explorer._handle_custom_msg({"id": 7, **call}, list(buffers))
    assert all(content["id"] == 7 for content, _ in sent)
    return sent


def test_the_widget_gets_the_bundles(trace: Trace, bare: Trace) -> None:
    explorer = explore(trace, bare, names=("with <CWM>", "without"))
    assert explorer.first == bundle(trace, "with <CWM>")
    assert explorer.second == bundle(bare, "without")
    assert [request["request"]["photo"] for request in explorer.requests] == ["with <CWM>", "without"]
    assert explore(trace).second == b""
    assert not explorer.live
    assert not explorer.capabilities["passes"]


def test_it_begins_where_brn_changed_most(trace: Trace) -> None:
    changed = trace.most_changed(count=1)[0]
    scene = explore(trace).scene
    assert (scene["x"], scene["y"]) == (changed.x, changed.y)


def test_misuse_is_reported(trace: Trace) -> None:
    with pytest.raises(ValueError, match="'a' twice"):
        explore(trace, trace, names=("a", "a"))
    with pytest.raises(ValueError, match="give the network too"):
        explore(draw_photo(20, 20)[0])


def test_with_a_network_it_computes(network: DGRL, trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, mask = draw_photo(120, 200)
    explorer = explore(photo, model=network)
    assert explorer.live
    assert explorer.offer["photos"][0]["name"] == "first"
    edits = [{"kind": "flatten", "level": "conv4"}]
    request = {"photo": "first", "checkpoint": "DGRL", "steps": None, "edits": edits}
    sent = asked(explorer, monkeypatch, call="pass", request=request, until="kernels")
    assert [content.get("part") for content, _ in sent] == ["rln", "brn", "kernels", None]
    edited = network.trace(photo, edits=[flatten_map("conv4")])
    assert sent[1][1] == [bundle(edited, "first", parts=("brn",))]
    plain = {**request, "edits": []}
    [(content, _)] = asked(explorer, monkeypatch, call="pixel", request=plain, x=70, y=40)
    assert content["coefficients"] == trace.pixel(70, 40).coefficients.ravel().tolist()
    file = io.BytesIO()
    Image.fromarray(mask * 255).save(file, "png")
    [(content, _)] = asked(explorer, monkeypatch, file.getvalue(), call="measure", request=plain, stretch=False)
    assert set(content["scores"]) == {"t0", "t1", "t2", "refined"}
    truth = mask.astype(bool)
    expected = np.abs(np.rint(trace.saliency * 255) / 255 - truth).mean()
    assert content["scores"]["refined"]["MAE"] == pytest.approx(expected, abs=2e-3)
    [(content, _)] = asked(explorer, monkeypatch, file.getvalue(), call="survey", request=plain, parts=False)
    keys = [column["key"] for column in content["table"]["columns"]]
    [row] = content["table"]["rows"]
    assert row["values"][keys.index("MAE_refined")] == pytest.approx(expected, abs=2e-3)
    for kind, mode in (("map", "L"), ("cutout", "RGBA")):
        [(_, [png])] = asked(explorer, monkeypatch, call="file", request=plain, kind=kind)
        with Image.open(io.BytesIO(png)) as image:
            assert (image.mode, image.size) == (mode, (200, 120))
    assert explorer.capabilities["matting"]
    [(_, [png])] = asked(explorer, monkeypatch, call="file", request=plain, kind="map", matting=True)
    fine = np.asarray(to_grey(matted(trace.photo, trace.saliency)))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), fine)


def test_errors_are_sentences(network: DGRL, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = explore(draw_photo(40, 40)[0], model=network)
    request = {"photo": "first", "checkpoint": "DGRL", "steps": None, "edits": [{"kind": "nonsense"}]}
    [(content, _)] = asked(explorer, monkeypatch, call="pass", request=request, until="rln")
    assert content["error"].startswith("An edit is an object")
    [(content, _)] = asked(explorer, monkeypatch, b"no picture", call="photo", name="mine")
    assert content["error"].endswith(".")


def shown(widget: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the outputs of a cell that ends with the widget: data and metadata of each."""
    outputs = []
    monkeypatch.setattr("dgrl.figures.notebook.display", lambda data, metadata, raw: outputs.append((data, metadata)))
    widget._ipython_display_()
    return outputs


def test_without_widgets_a_notebook_shows_a_picture(trace: Trace, bare: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output of its own, which JupyterLab shows although the saved widget is not found."""
    for explorer in (explore(trace), explore(trace, bare)):
        (widget, _), (data, metadata) = shown(explorer, monkeypatch)
        assert widget[VIEW]["model_id"] == explorer.model_id
        assert not [kind for kind in widget if kind.startswith("image/")]
        assert VIEW not in data
        assert metadata["image/jpeg"]["alt"].startswith(STANDS_FOR)
        with Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))) as image:
            assert image.width > 600
            assert np.asarray(image).std() > 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 2)])
def test_odd_pictures(network: DGRL, shape: tuple[int, int]) -> None:
    explorer = explore(network.trace(np.full((*shape, 3), 100, np.uint8), steps=0))
    assert explorer.scene["x"] < shape[1]
    assert explorer.scene["y"] < shape[0]


def test_the_widget_enables_custom_widgets_on_colab(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    colab = types.ModuleType("google.colab.output")
    colab.enable_custom_widget_manager = lambda: None  # type: ignore[attr-defined]
    colab._widgets = types.SimpleNamespace(_installed_url="https://widgets.example")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    (_, metadata), _ = shown(explore(trace), monkeypatch)
    assert metadata[VIEW]["colab"]["custom_widget_manager"]["url"] == "https://widgets.example"


def opened(browser: Any, explorer: Explorer) -> tuple[Any, list[str]]:
    """Open the widget in a page that works like anywidget; yield the page and its errors."""
    values = {name: base64.b64encode(getattr(explorer, name)).decode() for name in ("first", "second")}
    text = json.dumps(values | {name: getattr(explorer, name) for name in FIELDS})
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    trouble: list[str] = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    files = {"/": ("text/html", HOST.replace("VALUES", text)), "/widget.js": ("text/javascript", Explorer._esm)}

    def answered(message: dict[str, Any], buffers: list[str]) -> list[Any]:
        sent: list[Any] = []
        explorer.send = lambda content, data=(): sent.append(
            [content, [base64.b64encode(one).decode() for one in data]]
        )
        explorer._handle_custom_msg(message, [base64.b64decode(one) for one in buffers])
        return sent

    tab.expose_function("answered", answered)
    tab.route(
        "http://notebook/**",
        lambda route: route.fulfill(
            content_type=files[route.request.url.removeprefix("http://notebook")][0],
            body=str(files[route.request.url.removeprefix("http://notebook")][1]),
        ),
    )
    tab.goto("http://notebook/")
    tab.wait_for_function("window.ready", timeout=60_000)
    return tab, trouble


@pytest.mark.browser
def test_two_stored_passes_in_a_browser(browser: Any, trace: Trace, bare: Trace) -> None:
    tab, trouble = opened(browser, explore(trace, bare, names=("one", "other")))
    frames = tab.locator(".frame:not([hidden])")
    frames.nth(1).wait_for()
    assert [frames.nth(i).locator(".title").inner_text() for i in range(2)] == ["one", "other"]
    row = tab.locator(".pixel tr[data-map=refined] td").first
    tab.wait_for_function("document.querySelector('.pixel tr[data-map=refined] td')?.textContent.match(/[0-9]/)")
    changed = trace.most_changed(count=1)[0]
    assert float(row.inner_text()) == pytest.approx(changed.refined, abs=6e-4)
    tab.evaluate("model.set('scene', { map: 'refined' }); emit('change:scene')")
    tab.wait_for_function("window.saved?.map === 'refined'")
    tab.evaluate("leave()")
    assert tab.locator(".stage").count() == 0
    assert tab.evaluate("listening()") == []
    assert trouble == []
    tab.close()


@pytest.mark.browser
def test_with_a_kernel_the_page_changes_the_network(browser: Any, network: DGRL, tmp_path: Path) -> None:
    photo = draw_photo(120, 200)[0]
    tab, trouble = opened(browser, explore(photo, model=network))
    tab.get_by_test_id("view-change").click()
    tab.get_by_test_id("flatten-all").click()
    expected = network.trace(photo, edits=[flatten_map("*")])
    tab.get_by_test_id("show-result").or_(tab.locator("[data-map=refined]")).first.wait_for()
    tab.locator(".cell[data-map=refined]").click()
    wanted = f"dgrl-mean {expected.refined.mean():.4f}"
    tab.wait_for_function("document.querySelectorAll('.frame:not([hidden]):not(.stale)').length === 2", timeout=60_000)
    assert tab.locator(".effect tr").count() >= 3, wanted
    assert trouble == []
    tab.close()
