"""The page on its server, in a browser: the library's numbers, three tabs at once, and a photo that the server lost."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page

from dgrl import DGRL
from dgrl.app import build
from dgrl.app.files import session_files
from dgrl.files import EXAMPLES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(network: DGRL) -> Iterator[str]:
    app = build({"tiny": network}, precision="fp32")
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
    yield address
    app.get_blocks().close()


def opened(browser: Browser, url: str, wrong: list[str]) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(90_000)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith((url, "data:", "blob:")) else wrong.append(sent.url))
    page.goto(url)
    page.wait_for_function("window.dgrl?.scene")
    return page


def shown_value(page: Page) -> tuple[str, int, int, float]:
    """Return photo, pixel and the value after BRN there, once the page is idle."""
    page.evaluate("dgrl.idle()")
    values = page.evaluate("dgrl.values()")[0]
    return page.evaluate("dgrl.scene().slots[0].photo"), values["x"], values["y"], values["numbers"]["refined"]


def test_three_tabs_show_the_library_s_numbers(browser: Browser, url: str, network: DGRL) -> None:
    wrong: list[str] = []
    pages = [opened(browser, url, wrong) for _ in range(3)]
    for page in pages:
        photo, x, y, value = shown_value(page)
        assert value == pytest.approx(network.trace(EXAMPLES / f"{photo}.jpg").pixel(x, y).refined, abs=2e-3)
    for page in pages:
        page.close()
    assert wrong == []


def test_a_photo_that_the_server_lost_is_sent_again(browser: Browser, url: str, network: DGRL, new_photo: Path) -> None:
    wrong: list[str] = []
    page = opened(browser, url, wrong)
    page.evaluate("dgrl.idle()")
    content = base64.b64encode(new_photo.read_bytes()).decode()
    page.evaluate(
        """async (content) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          await dgrl.loader.engine.photos.add(new Blob([bytes]), "new");
        }""",
        content,
    )
    for lost in session_files().folder.rglob("new"):
        lost.unlink()
    expression = "dgrl.loader.engine.pixel({ ...dgrl.scene().slots[0], photo: 'new' }, 70, 40)"
    expected = network.trace(new_photo).pixel(70, 40).coefficients
    assert page.evaluate(expression) == pytest.approx(expected.ravel().tolist(), abs=1e-5)
    page.close()
    assert wrong == []


def test_the_page_is_offline_when_the_server_stops(browser: Browser, network: DGRL) -> None:
    app = build({"tiny": network}, precision="fp32")
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
    page = opened(browser, address, [])
    page.evaluate("dgrl.idle()")
    app.get_blocks().close()
    ask = "dgrl.loader.engine.pixel(dgrl.scene().slots[0], 1, 1).then(() => 'answered', (error) => error.kind)"
    assert page.evaluate(ask) == "offline"
    page.close()


def test_the_page_s_addresses_are_below_its_version(url: str) -> None:
    text = httpx.get(url).text
    assert re.search(r'src="page/[0-9a-f]{12}/main\.js"', text)
    assert re.search(r'href="page/[0-9a-f]{12}/page\.css"', text)


def test_files_outside_the_page_s_folder_are_not_served(url: str) -> None:
    found = re.search(r'src="(page/[0-9a-f]{12}/)main\.js"', httpx.get(url).text)
    assert found
    assert httpx.get(f"{url}{found[1]}state/store.js").status_code == 200
    for path in ("%2e%2e/__init__.py", "state/%2e%2e/%2e%2e/__init__.py", "%2fetc/passwd", "state", "nothing.js"):
        assert httpx.get(f"{url}{found[1]}{path}").status_code == 404, path
