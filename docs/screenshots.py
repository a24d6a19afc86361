"""The pictures of README and documentation: the page as it opens, one step of the tour, and a changed pass."""

import os
import shutil
import tempfile
from pathlib import Path

os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="dgrl-pictures-")

from playwright.sync_api import Page, sync_playwright

from dgrl.app import app_of, checkpoints

FOLDER = Path(__file__).parent / "images"
SIZE = {"width": 1280, "height": 720}
PICTURES = {
    "explore": [],
    "tour": ["take-tour", "tour-remember", "tour-show"],
    "change": ["view-change", "flatten-all"],
}
"""Clicks from the page as it opens, by the picture's name."""
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def take(page: Page, address: str) -> None:
    """Take every picture."""
    for name, clicks in PICTURES.items():
        page.goto(address)
        page.wait_for_function("window.dgrl?.scene")
        for click in clicks:
            page.evaluate("window.dgrl.idle()")
            page.get_by_test_id(click).click()
        page.evaluate("window.dgrl.idle()")
        page.mouse.move(2, 2)
        page.wait_for_timeout(3000)  # the maps come in one after the other, once
        page.screenshot(path=FOLDER / f"{name}.png")
        print(FOLDER / f"{name}.png")


def main() -> None:
    """Serve the app and take its pictures."""
    _, url, _ = app_of(checkpoints()[:1]).launch(prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        take(browser.new_page(viewport=SIZE), url)
        browser.close()


if __name__ == "__main__":
    main()
