"""Take the README's pictures of the app: `python docs/screenshots.py`. Needs Debian's chromium."""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dgrl.app import build, checkpoints, load

FOLDER = Path(__file__).parent / "images"
WIDTH, HEIGHT, SAVED_WIDTH = 1280, 720, 960
PATIENCE = 600_000


def shoot(page: Page, name: str) -> None:
    """Save what is seen, small enough for a README."""
    page.wait_for_selector(".dgrl-app[data-first=whole]:not([data-busy])")
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.thumbnail((SAVED_WIDTH, picture.height))
    palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """Show an example in the views that the README shows."""
    app = build(load(checkpoints()[:1]))
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True)
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}?__theme=light&tab=explore&example=raccoon&map=conv4&t=1&x=436&y=231")
        shoot(page, "explore")
        page.get_by_role("tab", name="Alter").click()
        page.get_by_role("button", name="All flat").click()
        page.wait_for_selector(".effect table")
        page.evaluate("dgrl.explorer().set({ map: 'refined' })")
        shoot(page, "alter")
        browser.close()
    app.close()


if __name__ == "__main__":
    main()
