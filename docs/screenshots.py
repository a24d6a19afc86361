"""Take the pictures of README and documentation: the page after opening, one step of the tour, and a film."""

import io
import os
import shutil
import tempfile
from pathlib import Path

os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="dgrl-pictures-")

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dgrl.app import app_of, checkpoints

FOLDER = Path(__file__).parent / "images"
SIZE = {"width": 1280, "height": 720}
PICTURES = {
    "explore": [],
    "tour": ["take-tour", "tour-remember", "tour-show"],
}
"""The elements to click after the page has opened, by the picture's name."""
FILM: tuple[tuple[tuple[str, ...], int], ...] = (
    ((), 3000),
    (("view-tour", "tour-flat"), 2000),
    (("tour-choice-0", "tour-show"), 3500),
    (("tour-paint",), 2000),
    (("tour-show",), 3500),
    (("tour-leaning",), 2000),
    (("tour-choice-0", "tour-show"), 3500),
    (("tour-point",), 2000),
    (("tour-choice-0", "tour-show"), 3500),
)
"""Clicks one after the other from the page as it opens, and the milliseconds that the film shows what follows."""
FILM_SIZE = 960, 540
FILM_QUALITY = 70
ARRIVAL = range(0, 3000, 400)
"""Milliseconds after opening at which the film shows the maps as they appear."""
SEEK = """time => {
  document.querySelector(".pipeline").classList.add("arriving");
  for (const animation of document.getAnimations()) {
    animation.pause();
    animation.currentTime = time;
  }
}"""
LARGEST_FILM = 3_000_000
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
        page.wait_for_timeout(3000)  # the maps fade in one after the other when the page opens
        page.screenshot(path=FOLDER / f"{name}.png")
        print(FOLDER / f"{name}.png")


def film(page: Page, address: str) -> None:
    """Make a moving picture of the page: how maps appear, and four steps of the tour.

    Raises:
        ValueError: it has more than `LARGEST_FILM` bytes.
    """
    pictures, durations = [], []

    def add(milliseconds: int) -> None:
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        pictures.append(picture.resize(FILM_SIZE, Image.Resampling.LANCZOS))
        durations.append(milliseconds)

    page.goto(address)
    page.wait_for_selector(".pipeline.arriving")
    page.evaluate("window.dgrl.idle()")
    page.wait_for_selector(".pipeline:not(.arriving)")
    add(1500)  # readers that show one picture of a film show the first
    for time in ARRIVAL:
        page.evaluate(SEEK, time)  # taking a picture takes longer than the animation
        add(ARRIVAL.step)
    page.evaluate("document.querySelector('.pipeline').classList.remove('arriving')")
    for clicks, milliseconds in FILM:
        for click in clicks:
            page.get_by_test_id(click).click()
            page.evaluate("window.dgrl.idle()")
        page.mouse.move(2, 2)
        page.wait_for_timeout(500)
        add(milliseconds)
    file = FOLDER / "page.webp"
    first, *others = pictures
    first.save(file, save_all=True, append_images=others, duration=durations, loop=0, quality=FILM_QUALITY, method=6)
    if file.stat().st_size > LARGEST_FILM:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, at most {LARGEST_FILM} are wanted")
    print(file)


def main() -> None:
    """Serve the app and take its pictures."""
    _, url, _ = app_of(checkpoints()[:1]).launch(prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        take(browser.new_page(viewport=SIZE), url)
        film(browser.new_page(viewport=SIZE), url)
        browser.close()


if __name__ == "__main__":
    main()
