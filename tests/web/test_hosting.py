"""Hosting of the static page: offline, below a path, in a frame, in two tabs, without storage, without uploads."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.web.conftest import KEPT, STARTED, Site, Visit, copy_of, upload, values, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def kept_files(folder: Path) -> int:
    """Return how many files the service worker caches."""
    text = (folder / "sw.js").read_text("utf-8").partition("const KEPT = ")[2].partition(";")[0]
    return len(json.loads(text))


def test_the_second_visit_works_offline(small_page: Path, visit: Visit, tmp_path: Path) -> None:
    """Wait until all files are cached and the page is isolated, so that it may use threads."""
    site = Site(copy_of(small_page, tmp_path / "dist"))
    page = visit(site)
    assert page.evaluate("window.crossOriginIsolated")
    page.evaluate(KEPT, kept_files(site.folder))
    site.stop()
    page.context.set_offline(True)
    page.reload()
    wait(page)
    assert values(page)[0]["numbers"] is not None
    page.get_by_test_id("photos").click()
    page.get_by_test_id("photo-raccoon").click()
    wait(page)
    assert json.loads(values(page)[0]["key"])[0] == "raccoon"
    assert values(page)[0]["ready"]


def test_the_page_sends_nothing(site: Site, visit: Visit, png: Path) -> None:
    """Once the files are cached, the page requests nothing from its site, and it cannot reach other sites."""
    page = visit(site)
    page.evaluate(KEPT, kept_files(site.folder))
    site.asked.clear()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    upload(page, png)
    wait(page)
    page.get_by_test_id("view-change").click()
    page.get_by_test_id("flatten-all").click()
    wait(page)
    page.get_by_test_id("save").click()
    with page.expect_download():
        page.get_by_test_id("save-cutout").click()
    assert set(site.asked) <= {"/sw.js"}, "only the browser looks for a newer service worker"
    assert [address for address in requests if not address.startswith(("blob:", site.url))] == []
    assert page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"


def test_the_page_works_below_a_path(small_page: Path, visit: Visit, tmp_path: Path) -> None:
    copy_of(small_page, tmp_path / "root" / "some" / "path")
    site = Site(tmp_path / "root")
    page = visit(site, "some/path/")
    assert page.evaluate("window.crossOriginIsolated")
    assert values(page)[0]["numbers"] is not None
    site.stop()


@pytest.mark.parametrize("obstacle", ["no room", "forbidden", "no storage"])
def test_the_page_works_without_a_cache(small_page: Path, browser: Browser, tmp_path: Path, obstacle: str) -> None:
    """A browser without room for the page, one without service workers, and one that blocks storage."""
    site = Site(copy_of(small_page, tmp_path / "dist"))
    if obstacle == "no room":
        (tmp_path / "dist" / "photos" / "coffee.jpg").unlink()  # a missing file fails like a full cache
    context = browser.new_context(service_workers="block" if obstacle == "forbidden" else "allow")
    page = context.new_page()
    if obstacle == "no storage":
        page.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('denied') } })")
    page.goto(site.url)
    wait(page)
    assert page.evaluate("window.crossOriginIsolated") == (obstacle == "no room")
    assert values(page)[0]["numbers"] is not None
    context.close()
    site.stop()


def test_the_page_works_in_a_frame_of_another_site(site: Site, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f'<iframe src="{site.url}" width="1200" height="700"></iframe>', "utf-8")
    around = Site(tmp_path)
    context = browser.new_context()
    page = context.new_page()
    page.goto(around.url.replace("localhost", "127.0.0.1"))
    frame = page.frame(url=site.url)
    assert frame is not None
    frame.wait_for_function(STARTED, timeout=60_000)
    frame.evaluate("window.dgrl.idle()")
    assert frame.evaluate("window.dgrl.values()[0].numbers") is not None
    context.close()
    around.stop()


def test_two_tabs_work_at_once(site: Site, visit: Visit, png: Path) -> None:
    page = visit(site)
    other = page.context.new_page()
    other.goto(site.url)
    upload(page, png)
    wait(other)
    wait(page)
    assert [json.loads(values(tab)[0]["key"])[0] for tab in (page, other)] == ["drawn", "astronaut"]
    assert all(values(tab)[0]["ready"] for tab in (page, other))


def test_a_lost_site_is_reported_and_found_again(small_page: Path, browser: Browser, tmp_path: Path) -> None:
    site = Site(copy_of(small_page, tmp_path / "dist"))
    graph = tmp_path / "dist" / "model" / "step0.onnx.gz"
    data = graph.read_bytes()
    graph.unlink()
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.goto(site.url)
    page.wait_for_function(STARTED)
    page.get_by_test_id("notice").filter(has_text="does not answer").wait_for()
    graph.write_bytes(data)
    wait(page)
    assert values(page)[0]["numbers"] is not None
    context.close()
    site.stop()
