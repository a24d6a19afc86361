"""The app's part of a survey: each network runs once over a picture, whatever is compared with it."""

from dataclasses import replace

import numpy as np
import pytest

import dgrl.evaluation.survey.run as run_module
from dgrl import DGRL
from dgrl.app import survey as app_survey
from dgrl.app.survey import surveyor
from dgrl.evaluation.survey.run import survey_picture
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[DGRL]:
    """Record the network of each pass."""
    found: list[DGRL] = []
    usual = run_module.run_pass

    def counted(model: DGRL, *arguments: object) -> object:
        found.append(model)
        return usual(model, *arguments)

    monkeypatch.setattr(run_module, "run_pass", counted)
    return found


@pytest.fixture(scope="module")
def networks() -> dict[str, DGRL]:
    return {"one": filled(DGRL(TINY)), "two": filled(DGRL(replace(TINY, context=False)))}


def test_a_comparison_runs_only_the_second_network(networks: dict[str, DGRL], runs: list[DGRL]) -> None:
    photo, mask = draw_photo(40, 60)
    truth = (np.asarray(mask) > 127).astype(np.uint8)
    survey = surveyor(networks)
    alone = survey(["one"], "photo", photo, truth, True)
    assert runs == [networks["one"]]
    both = survey(["one", "two"], "photo", photo, truth, True)
    assert runs == [networks["one"], networks["two"]]
    assert both == survey_picture(networks, "photo", photo, truth, True).for_page()
    assert survey(["one"], "renamed", photo, truth, True)["rows"] == alone["rows"]
    assert len(runs) == 4


def test_another_mask_photo_or_kind_of_survey_is_another_pass(networks: dict[str, DGRL], runs: list[DGRL]) -> None:
    photo, mask = draw_photo(40, 60)
    truth = (np.asarray(mask) > 127).astype(np.uint8)
    survey = surveyor(networks)
    for pixels, reference, parts in ((photo, truth, True), (photo, 1 - truth, True), (255 - photo, truth, True)):
        expected = survey_picture({"one": networks["one"]}, "photo", pixels, reference, parts).for_page()
        assert survey(["one"], "photo", pixels, reference, parts) == expected
    for reference, parts in ((None, True), (truth, False)):
        expected = survey_picture({"one": networks["one"]}, "photo", photo, reference, parts).for_page()
        assert survey(["one"], "photo", photo, reference, parts) == expected
    assert len(runs) == 10


def test_passes_beyond_the_capacity_are_dropped(
    networks: dict[str, DGRL], runs: list[DGRL], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [np.asarray(draw_photo(40, 60, seed=seed)[0]) for seed in range(2)]
    monkeypatch.setattr(app_survey, "CAPACITY", photos[0].nbytes * 3)
    survey = surveyor(networks)
    for index, count in ((0, 1), (0, 1), (1, 2), (1, 2), (0, 3)):
        survey(["one"], "photo", photos[index], None, False)
        assert len(runs) == count
