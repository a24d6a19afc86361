"""The notebook explorer as a person uses it: JupyterLab in Debian's chromium."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from dgrl import DGRL, Trace
from dgrl.widgets import STANDS_FOR
from tests.helpers.networks import TINY, draw_photo, filled

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=30_000)
ROOT = Path(__file__).parents[1]
PORT = 7940  # or the next one that is free
PATIENCE = 240_000  # a kernel that imports PyTorch on a busy machine
NOTEBOOK = """from dgrl import DGRL, Trace
from tests.helpers.networks import TINY, draw_photo, filled
from dgrl.widgets import explore

trace = Trace.load("trace.npz")
explorer = explore(trace)
explorer"""


def widgets_folder() -> Path:
    """Return the folder of the two packages that show widgets in JupyterLab.

    JupyterLab looks beside the Python that runs it; a virtual environment that borrows packages has nothing there.
    """
    files = importlib.metadata.files("anywidget") or []
    package = next(file for file in files if file.match("labextensions/anywidget/package.json"))
    return Path(package.locate()).resolve().parents[2]


@pytest.fixture(scope="module")
def trace() -> Trace:
    return filled(DGRL(TINY)).trace(draw_photo(120, 200)[0])


@pytest.fixture
def lab(tmp_path: Path, trace: Trace) -> Iterator[str]:
    """Start a JupyterLab without token; its only notebook explores a saved trace. Yield its address."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    trace.save(folder / "trace.npz")
    write_notebook(folder / "explore.ipynb", NOTEBOOK)
    with served(folder, tmp_path) as address:
        yield address


def write_notebook(path: Path, source: str) -> None:
    """Write a notebook of one cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


@contextmanager
def served(folder: Path, tmp_path: Path) -> Iterator[str]:
    """Start a JupyterLab without token that shows `folder` and keeps its own files in `tmp_path`; yield its address."""
    own = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "IPYTHONDIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
    )
    environment = os.environ | {name: str(tmp_path / name.lower()) for name in own} | {"PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = str(ROOT)  # the notebook uses the tests' helpers
    environment["JUPYTER_PATH"] = os.pathsep.join([str(widgets_folder()), *os.environ.get("JUPYTER_PATH", "").split()])
    settings = Path(environment["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab/apputils-extension")
    settings.mkdir(parents=True)
    # Otherwise a dialog covers the page and asks whether to fetch news.
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={PORT}", "--IdentityProvider.token=", "--allow-root"]
    log = tmp_path / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield wait_for_address(log, server)
    finally:
        server.terminate()
        server.wait(30)


def wait_for_address(log: Path, server: "subprocess.Popen[bytes]") -> str:
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end and server.poll() is None:
        result = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if result:
            try:
                urllib.request.urlopen(f"{result.group()}/api", timeout=5).close()
                return result.group()
            except OSError:
                pass
        time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


def wait_for_kernel(page: Page, lab: str) -> None:
    """Wait until the notebook's kernel is idle and JupyterLab knows it."""
    end = time.monotonic() + PATIENCE / 1000
    kernels = []
    # The page alone cannot be asked: before there is a kernel, it says "idle" too.
    while not any(kernel["execution_state"] == "idle" and kernel["connections"] for kernel in kernels):
        assert time.monotonic() < end, f"no kernel is ready: {kernels}"
        page.wait_for_timeout(200)
        try:
            with urllib.request.urlopen(f"{lab}/api/kernels", timeout=30) as answer:
                kernels = json.load(answer)
        except urllib.error.HTTPError:
            pass  # jupyter_server lists a kernel a moment before it has a state, and stumbles over it: error 500
    idle = page.locator(".jp-NotebookPanel-toolbar .jp-Notebook-ExecutionIndicator[data-status=idle]")
    expect(idle).to_be_visible(timeout=PATIENCE)


def run_the_cell(page: Page) -> None:
    """Run the notebook's only cell, and see that JupyterLab took it: it drops a run that comes too early."""
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt")
    end = time.monotonic() + PATIENCE / 1000
    while prompt.inner_text() == "[ ]:":
        assert time.monotonic() < end, "JupyterLab did not run the cell"
        page.locator(".jp-CodeCell .cm-content").click()
        page.keyboard.press("Control+Enter")  # unlike Shift+Enter it stays in the cell, and may be pressed again
        page.wait_for_timeout(2000)


def restart(page: Page, lab: str) -> None:
    """Restart the only kernel, as JupyterLab's menu does."""
    with urllib.request.urlopen(f"{lab}/api/kernels", timeout=30) as answer:
        (kernel,) = json.load(answer)
    (token,) = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "_xsrf"]
    done = page.request.post(f"{lab}/api/kernels/{kernel['id']}/restart", headers={"X-XSRFToken": token})
    assert done.ok, done.text()


def test_the_explorer_in_jupyterlab(browser: Browser, lab: str, trace: Trace, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1100})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{lab}/doc/tree/explore.ipynb")
    wait_for_kernel(page, lab)
    run_the_cell(page)
    explorer = page.locator(".dgrl")
    expect(explorer).to_be_visible(timeout=PATIENCE)
    picture = page.locator(".jp-RenderedImage img")
    expect(picture).to_be_attached()
    expect(picture).to_be_hidden()
    most_changed = trace.most_changed(count=1)[0]
    expect(explorer.get_by_role("heading", name=f"Pixel {most_changed.x}, {most_changed.y}")).to_be_visible()

    # Another map.
    cell = explorer.locator(".cell[data-map=conv4][data-step='1']")
    cell.click()
    expect(cell).to_have_attribute("aria-pressed", "true")

    # A click on the picture: that pixel's numbers, and its kernel.
    frame = explorer.locator(".stage .pictures").first
    box = frame.bounding_box()
    assert box is not None
    frame.click(position={"x": box["width"] * 0.375, "y": box["height"] * 0.75})
    heading = explorer.get_by_role("heading", name=re.compile(r"Pixel 7[456], (89|9[01])"))  # it may miss by a pixel
    expect(heading).to_be_visible()
    pixel = trace.pixel(*(int(number) for number in re.findall(r"\d+", heading.inner_text())))
    explorer.get_by_test_id("kernel-open").click()
    expect(explorer.locator("[data-line=refined]")).to_have_text(f"{pixel.refined:.4f}")
    expect(explorer.locator("[data-line=foreground]")).to_have_text(f"{pixel.foreground:.4f}".replace("-", "−"))
    shown = [
        float(cell.inner_text().replace("−", "-")) for cell in explorer.get_by_test_id("kernel").locator("td").all()
    ]
    assert shown == pytest.approx(pixel.coefficients.ravel().tolist(), abs=6e-3)

    # Saved, and opened again with a new kernel: its picture.
    page.keyboard.press("Control+s")
    path = tmp_path / "notebooks" / "explore.ipynb"
    end = time.monotonic() + PATIENCE / 1000
    while STANDS_FOR not in path.read_text():
        assert time.monotonic() < end, "JupyterLab did not save the notebook"
        page.wait_for_timeout(200)
    restart(page, lab)
    page.reload()
    expect(picture).to_be_visible(timeout=PATIENCE)
    assert page.locator(".dgrl").count() == 0
    page.close()
