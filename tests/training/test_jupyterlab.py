"""The training panel as a person uses it: JupyterLab in Debian's chromium."""

import re
import time
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from dgrl import DGRL
from dgrl.training.runs import is_running, read_state, start_run, stop_run
from tests.helpers.networks import TRAINED, write_pairs
from tests.test_jupyterlab import PATIENCE, restart, run_the_cell, served, wait_for_kernel, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUICK = {"size": 64, "batch_size": 2, "max_updates": 60, "workers": 0, "validate_every": 4, "checkpoint_every": 4}
NOTEBOOK = f"""from dgrl.training.panel import TrainingPanel

panel = TrainingPanel("run", "drawn/image", "drawn/mask", "default", network={{"init": "network"}}, **{QUICK})
panel"""


def wait(holds, out: Path) -> None:
    end = time.monotonic() + 2 * PATIENCE / 1000
    while not holds():
        assert time.monotonic() < end, read_state(out).said
        time.sleep(0.3)


def button(page: Page, name: str):
    return page.locator(".dgrl-training-panel").last.get_by_role("button", name=name)


def test_start_stop_restart_resume(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_pairs(folder / "drawn", 20)
    DGRL(TRAINED).save_pretrained(folder / "network")
    write_notebook(folder / "train.ipynb", NOTEBOOK)
    out = folder / "run"
    try:
        with served(folder, tmp_path) as lab:
            page = browser.new_page(viewport={"width": 1280, "height": 2400})
            page.set_default_timeout(PATIENCE)
            page.goto(f"{lab}/doc/tree/train.ipynb")
            wait_for_kernel(page, lab)
            run_the_cell(page)
            button(page, "Start").click(timeout=PATIENCE)
            expect(page.locator(".jp-RenderedImage img")).to_be_hidden()  # it stands for the panel where there is none
            wait(lambda: len(read_state(out).validations) >= 2, out)
            button(page, "Stop").click(timeout=PATIENCE)
            wait(lambda: not is_running(out), out)
            stopped = read_state(out)
            assert stopped.resumable
            assert stopped.update < QUICK["max_updates"], "it had ended before it was stopped"

            restart(page, lab)
            wait_for_kernel(page, lab)
            page.locator(".jp-CodeCell .cm-content").click()
            page.keyboard.press("Control+Enter")
            label = page.get_by_text(f"stopped, update {stopped.update} of {QUICK['max_updates']}")
            expect(label.last).to_be_visible(timeout=PATIENCE)

            # The film: another update, other maps.
            picture = page.get_by_role("img", name=re.compile("Hold-out pictures after")).last
            expect(picture).to_be_visible(timeout=PATIENCE)
            last = picture.get_attribute("src")
            page.locator(".dgrl-training-panel").last.get_by_role("slider").focus()
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("ArrowLeft")
            expect(picture).not_to_have_attribute("src", last or "", timeout=PATIENCE)

            button(page, "Resume").click(timeout=PATIENCE)
            wait(lambda: read_state(out).finished and not is_running(out), out)
            expect(page.get_by_text("finished, update").last).to_be_visible(timeout=PATIENCE)
            page.close()
        whole = folder / "whole"
        network = ["--init", str(folder / "network"), "--preset", "default", "--stage", "rln"]
        settings = [word for name, value in QUICK.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        data = ["--images", str(folder / "drawn/image"), "--masks", str(folder / "drawn/mask")]
        start_run(whole, [*data, *network, *settings, "--out", str(whole)])
        wait(lambda: read_state(whole).finished and not is_running(whole), whole)
        resumed, uninterrupted = (DGRL.from_pretrained(run).state_dict() for run in (out, whole))
        assert all(torch.equal(value, uninterrupted[name]) for name, value in resumed.items())
    finally:
        for run in (out, folder / "whole"):
            stop_run(run)
