"""The notebook explorer: what Python gives the widget, what it answers, and the widget's script in a real browser."""

import base64
import io
import json
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from dgrl import DGRL, Trace
from dgrl.explorer import bundle
from dgrl.explorer.report import found
from dgrl.widgets import Explorer, explore
from tests.helpers.networks import TINY, draw_photo, filled

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# What anywidget does: it imports the script from text and calls `render` of its default export.
HOST = """<!doctype html><meta charset=utf-8><title>notebook</title><div id=output></div><script type=module>
const values = VALUES;
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
for (const name of ["first", "second"]) values[name] = bytes(values[name]);
const listeners = {};
window.asked = [];
window.model = { get: (name) => values[name], set: (name, value) => { values[name] = value; },
  save_changes: () => { window.saved = values.state; }, send: (message) => window.asked.push(message),
  on: (event, called) => { (listeners[event] ??= []).push(called); }, off: (event) => { delete listeners[event]; } };
window.emit = (event, message) => (listeners[event] ?? []).forEach((called) => called(message));
window.listening = () => Object.keys(listeners);
const code = await (await fetch("widget.js")).text();
const widget = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
window.leave = await widget.default.render({ model: window.model, el: document.getElementById("output") });
window.ready = true;
</script>"""


@pytest.fixture(scope="module")
def trace() -> Trace:
    return filled(DGRL(TINY)).trace(draw_photo(120, 200)[0])


@pytest.fixture(scope="module")
def bare() -> Trace:
    """Of a network with one pass, 3×3 kernels and no CWM; another photo."""
    return filled(DGRL(replace(TINY, steps=0, context=False, kernel_size=3))).trace(draw_photo(90, 60, seed=1)[0])


def test_the_widget_gets_the_bundles(trace: Trace, bare: Trace) -> None:
    explorer = explore(trace, bare, names=("with <CWM>", "without"))
    assert explorer.first == bundle(trace, found=found(trace))
    assert explorer.second == bundle(bare, found=found(bare))
    assert explorer.names == ["with <CWM>", "without"]
    assert explore(trace).second == b""


def test_it_begins_where_brn_changed_most(trace: Trace) -> None:
    most_changed = trace.most_changed(count=1)[0]
    state = explore(trace).state
    assert (state["x"], state["y"]) == (most_changed.x, most_changed.y)


def test_two_passes_need_two_names(trace: Trace) -> None:
    with pytest.raises(ValueError, match="'a' twice"):
        explore(trace, trace, names=("a", "a"))


def test_python_answers_with_all_digits(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer, sent = explore(trace), []
    monkeypatch.setattr(explorer, "send", sent.append)
    explorer._handle_custom_msg({"slot": 0, "x": 70, "y": 40}, [])
    assert sent[0]["coefficients"] == trace.pixel(70, 40).coefficients.ravel().tolist()
    assert (sent[0]["x"], sent[0]["y"]) == (70, 40)


def test_where_no_widget_runs_there_is_a_picture(trace: Trace, bare: Trace) -> None:
    for explorer in (explore(trace), explore(trace, bare)):
        data, _ = explorer._repr_mimebundle_()
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
        with Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))) as image:
            assert image.width > 600
            assert np.asarray(image).std() > 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 2)])
def test_odd_pictures(shape: tuple[int, int]) -> None:
    explorer = explore(filled(DGRL(TINY)).trace(np.full((*shape, 3), 100, np.uint8), steps=0))
    assert explorer.state["x"] < shape[1]
    assert explorer.state["y"] < shape[0]


@pytest.mark.browser
def test_the_script_in_a_browser(browser: "Browser", trace: Trace, bare: Trace, tmp_path: Path) -> None:
    explorer: Explorer = explore(trace, bare, names=("one", "other"))
    values = {name: base64.b64encode(getattr(explorer, name)).decode() for name in ("first", "second")}
    text = json.dumps(values | {"names": explorer.names, "state": explorer.state})
    tab = browser.new_page(viewport={"width": 1100, "height": 800})
    trouble: list[str] = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    files = {"/": ("text/html", HOST.replace("VALUES", text)), "/widget.js": ("text/javascript", Explorer._esm)}
    tab.route(
        "http://notebook/**",
        lambda route: route.fulfill(
            content_type=files[route.request.url.removeprefix("http://notebook")][0],
            body=str(files[route.request.url.removeprefix("http://notebook")][1]),
        ),
    )
    tab.goto("http://notebook/")
    tab.wait_for_function("window.ready")
    tab.get_by_role("button", name="Pixel to the right").click()
    tab.wait_for_function("window.saved && window.asked.length === 2")
    x, y = tab.evaluate("[saved.x, saved.y]")
    assert (y, trace.pixel(x, y).column) == (explorer.state["y"], trace.most_changed(count=1)[0].column + 1)
    asked = tab.evaluate("asked[0]")
    assert asked == {"slot": 0, "x": x, "y": y}
    exact = trace.pixel(x, y).coefficients.ravel().tolist()
    tab.evaluate("message => emit('msg:custom', message)", {**asked, "coefficients": exact})
    cell = tab.locator("[data-grid=coefficients] td").first
    tab.wait_for_function("document.querySelector('[data-grid=coefficients] td').title")
    assert float(cell.get_attribute("title") or "nan") == exact[0]
    tab.evaluate("model.set('state', { map: 'conv4', step: 1, x: 20 }); emit('change:state')")
    assert tab.get_by_role("button", name="conv4 at t = 1").get_attribute("aria-pressed") == "true"
    assert tab.get_by_role("heading", name="Pixel 20").count() == 1
    tab.evaluate("leave()")
    assert tab.locator(".dgrl-explorer").count() == 0
    assert tab.evaluate("listening()") == []
    assert trouble == []
    tab.close()


def test_colab_is_told_where_the_widget_comes_from(tiny_model: DGRL, monkeypatch: pytest.MonkeyPatch) -> None:
    colab = types.ModuleType("google.colab.output")
    colab.enable_custom_widget_manager = lambda: None  # type: ignore[attr-defined]
    colab._widgets = types.SimpleNamespace(_installed_url="https://widgets.example")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    data, metadata = explore(tiny_model.trace(draw_photo()[0]))._repr_mimebundle_()
    assert "image/jpeg" in data
    view = metadata["application/vnd.jupyter.widget-view+json"]
    assert view["colab"]["custom_widget_manager"]["url"] == "https://widgets.example"
