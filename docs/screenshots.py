"""Take the README's pictures of the app: `python docs/screenshots.py`. Needs Debian's chromium."""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dgrl.app import EXAMPLES, build, checkpoints, launch_settings, load

FOLDER = Path(__file__).parent / "images"
WIDTH, SAVED_WIDTH = 1280, 960
PATIENCE = 120_000


def shoot(page: Page, name: str) -> None:
    """Save the whole page, small enough for a README."""
    page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.thumbnail((SAVED_WIDTH, picture.height))
    palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """Show an example in each tab."""
    app = build(load(checkpoints()[:1]))
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}?__theme=light")
        page.set_input_files("#photo input[type=file]", EXAMPLES / "raccoon.jpg")
        page.locator("#cutout img").wait_for()
        shoot(page, "detect")
        page.get_by_role("tab", name="Localise").click()
        page.locator("#maps img").nth(14).wait_for()
        shoot(page, "localise")
        page.get_by_role("tab", name="Refine").click()
        page.locator("#picked img").wait_for()
        page.locator("#arrows img").scroll_into_view_if_needed()
        shoot(page, "refine")
        page.get_by_role("tab", name="What if").click()
        page.get_by_role("button", name="Paint the found object").click()
        page.wait_for_timeout(1500)
        page.get_by_role("button", name="Run the altered pass").click()
        page.locator("#change table").first.wait_for()
        shoot(page, "what-if")
        page.get_by_role("tab", name="Why").click()
        page.locator("#explain").click()
        page.locator("#why-drawn img").wait_for()
        shoot(page, "why")
        page.get_by_role("tab", name="Measure").click()
        page.locator("tr.tr-body").last.click()  # an example and its mask
        page.locator("#curve img").wait_for()
        shoot(page, "measure")
        browser.close()
    app.close()


if __name__ == "__main__":
    main()
