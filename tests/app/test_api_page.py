"""The page about the API lists every endpoint, and the programs that it shows run."""

import html
import re
import subprocess
import sys
from pathlib import Path

import httpx
from PIL import Image

from tests.app.conftest import Served
from tests.app.test_api import ENDPOINTS


def programs(page: str) -> list[str]:
    return [html.unescape(program) for program in re.findall(r'<pre class="program">(.*?)</pre>', page, re.DOTALL)]


def test_the_programs_on_the_page_name_the_endpoints_and_run(
    served: Served, photo_files: dict[str, Path], mask_files: dict[str, Path], tmp_path: Path
) -> None:
    """Run every program as shown, beside photo.jpg and mask.png."""
    page = httpx.get(f"{served.url}api", timeout=60)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    shown = programs(page.text)
    assert {name for text in shown for name in re.findall(r'api_name="(.+)"', text)} == ENDPOINTS
    for name in ENDPOINTS:
        assert f"<h2>{name}</h2>" in page.text
    assert "a list of objects" in page.text, "the description of edits is cut"
    Image.open(photo_files["wide"]).save(tmp_path / "photo.jpg")
    Image.open(mask_files["wide"]).save(tmp_path / "mask.png")
    program = tmp_path / "programs.py"
    program.write_text("\n".join(shown), encoding="utf-8")
    ran = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    answers = [line for line in ran.stdout.splitlines() if "Loaded as API" not in line]
    assert len(answers) == len(ENDPOINTS)
    assert any("photo_dgrl.zip" in line for line in answers), "no report"


def test_the_address_of_version_2_shows_the_api_page(served: Served) -> None:
    assert httpx.get(f"{served.url}?view=api", follow_redirects=True, timeout=60).url.path == "/api"
