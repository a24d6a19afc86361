"""The Experiments view: it asks, runs, shows, and tells; what it shows is what the experiment says."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, expect

from dgrl import DGRL
from dgrl.app import build, launch_settings
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments import BY_KEY, EXPERIMENTS, sizes_of
from dgrl.experiments.links import offered
from tests.app.conftest import Visit, visit
from tests.app.test_browser import clean, scene, second, whole

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CARDS = offered(sizes_of(SHIPPED_WEIGHTS))


@pytest.fixture(scope="module")
def shipped() -> DGRL:
    return DGRL.from_pretrained(SHIPPED_WEIGHTS)


@pytest.fixture(scope="module")
def address(shipped: DGRL) -> Iterator[str]:
    app = build({"dgrl-lite": shipped}, precision="fp32", experiments=CARDS)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield url
    app.close()


@pytest.fixture(scope="module")
def seen(browser: Browser, address: str) -> Iterator[Visit]:
    opened = visit(browser, f"{address}?tab=experiments")
    yield opened
    clean(opened)
    opened.page.close()


def first(page: Any, array: str) -> np.ndarray:
    read = f"[...dgrl.explorer().parts.app.slots[0].pass.arrays['{array}']]"
    values = np.array(page.evaluate(read), np.float32)
    return values.reshape(round(values.size**0.5), -1)


@pytest.mark.parametrize("number", range(len(EXPERIMENTS)), ids=list(BY_KEY))
def test_it_asks_runs_shows_and_tells(seen: Visit, shipped: DGRL, number: int) -> None:
    page, experiment = seen.page, EXPERIMENTS[number]
    page.get_by_role("tab", name="Experiments").click()
    card = page.locator(".experiment-list > li").nth(number)
    expect(card).to_contain_text(experiment.question)
    for choice in experiment.choices:
        expect(card).to_contain_text(choice)
    expect(card.locator(".answer")).to_be_hidden()
    card.get_by_role("button", name="What happened?").click()
    expect(card.locator(".answer")).to_have_text(CARDS[number]["answer"])
    page.evaluate("delete document.querySelector('.dgrl-app').dataset.first")
    card.get_by_role("button", name="Run").click()
    whole(page)
    assert scene(page)["first"]["photo"]["name"] == experiment.photo
    passes = experiment.passes(shipped)
    last = f"rln.t{shipped.config.steps}.saliency"
    np.testing.assert_allclose(first(page, last), passes.last(experiment.first), atol=2e-3)
    if experiment.second is not None:
        whole(page, "second")
        steps = experiment.second.steps or shipped.config.steps
        np.testing.assert_allclose(second(page, f"rln.t{steps}.saliency"), passes.last(experiment.second), atol=2e-3)
    else:
        assert scene(page)["second"] is None
