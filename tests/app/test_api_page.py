"""Gradio's page about the API, opened from the app, and the programs that it shows."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.app.conftest import Served, visit
from tests.app.test_api import ENDPOINTS
from tests.app.test_browser import whole

pytestmark = pytest.mark.browser


@pytest.fixture(params=["", "?view=api"], ids=["button", "link"])
def page(browser: Browser, served: Served, request: pytest.FixtureRequest) -> Iterator[Page]:
    opened = visit(browser, f"{served.url}{request.param}")
    whole(opened.page)
    if not request.param:
        expect(opened.page.locator(".api-docs")).to_have_count(0)
        opened.page.get_by_role("link", name="API").click()
    yield opened.page
    assert opened.outside == [], "the page asked other machines for something"
    opened.page.close()


@pytest.mark.parametrize("page", ["?view=api"], indirect=True)
def test_its_programs_name_the_endpoints_and_run(page: Page, photo_files: dict[str, Path], tmp_path: Path) -> None:
    """Every program in Python, as it is shown, beside a photo.jpg that serves as mask too."""
    shown = page.locator(".api-docs pre").filter(has_text="from gradio_client import Client")
    expect(shown).to_have_count(len(ENDPOINTS))
    programs = shown.all_text_contents()
    assert {name for text in programs for name in re.findall(r'api_name="(.+)"', text)} == ENDPOINTS
    Image.open(photo_files["wide"]).save(tmp_path / "photo.jpg")
    program = tmp_path / "programs.py"
    program.write_text("\n".join(programs), encoding="utf-8")
    ran = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    answers = [line for line in ran.stdout.splitlines() if "Loaded as API" not in line]
    assert len(answers) == len(ENDPOINTS)
    assert any("photo_dgrl.zip" in line for line in answers), "no report"


def test_it_closes_and_opens_again(page: Page) -> None:
    docs = page.locator(".api-docs")
    expect(docs).to_be_visible()
    for _ in range(2):
        page.locator(".api-docs .backdrop").click(position={"x": 5, "y": 400})
        expect(docs).to_have_count(0)
        page.get_by_role("link", name="API").click()
        expect(docs).to_be_visible()
