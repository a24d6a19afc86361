"""The survey's page in a browser: numbers equal the table's; sorting, filtering, hovering, opening, accessibility."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from dgrl.evaluation.survey import Survey, SurveyRow, answers
from dgrl.evaluation.survey.columns import PARTS
from dgrl.evaluation.survey.page import page
from dgrl.evaluation.survey.passes import TILE, jpeg
from dgrl.evaluation.survey.table import Plan
from tests.page.smooth import CONTROLS, slow_works

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
LEVELS = ("conv3", "conv4", "conv5")
Open = Callable[..., Page]


def random_survey(pictures: int, checkpoints: tuple[str, ...] = ("one",)) -> Survey:
    """Return a table of made-up numbers."""
    random = np.random.default_rng(0)
    plan = Plan(checkpoints, 2, LEVELS, True, True)
    photo, mask = (jpeg(np.full((30, 40, 3), level, np.uint8)) for level in (120, 255))
    maps = jpeg(np.tile(np.linspace(0, 255, TILE).astype(np.uint8), (TILE, len(plan.tiles))))
    rows = [
        SurveyRow(
            f"{number:04d}.jpg",
            checkpoint,
            {column.key: round(float(random.random()), 6) for column in plan.columns}
            | {f"without_{part}": round(float(random.normal()), 6) for part in PARTS},
            "Attention never reaches the object in coarse." if number % 2 else "Nothing is found.",
            (40, 30),
            photo,
            maps,
            mask,
        )
        for number in range(pictures)
        for checkpoint in checkpoints
    ]
    return Survey(plan, rows)


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open the page of a survey from the disk; fail if it logs an error or uses the network."""
    contexts, trouble = [], []

    def opened(survey: Survey, scheme: str = "light", **settings: object) -> Page:
        file = tmp_path / "survey.html"
        file.write_text(page(survey, "pictures"), encoding="utf-8")
        context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=scheme, **settings)
        context.set_offline(True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        tab.goto(file.as_uri())
        tab.wait_for_selector("[role=row][data-index]")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


WORKS = f"""() => {{
{CONTROLS}
  const table = JSON.parse(document.getElementById("table").textContent);
  window.works = {{
    scroll,
    sort: () => choose("Sort by", "contrast"),
    turn: () => document.querySelector("[aria-sort$=ending] button").click(),
    filter: () => type("[aria-label='at least']", "0.4"),
    search: () => type("[type=search]", "nothing"),
    unlimited: () => type("[aria-label='at least']", ""),
    all: () => type("[type=search]", ""),
    ask: () => choose("Question", "At which level and look?"),
    update: () => dgrlSurvey.update({{ ...table }}),
  }};
  return Object.keys(window.works);
}}"""


def shown_rows(tab: Page) -> list[str]:
    return tab.evaluate("dgrlSurvey.shown().map((entry) => entry.picture.name)")


def written(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def test_the_page_shows_the_table_s_numbers(show: Open) -> None:
    survey = random_survey(12)
    tab = show(survey)
    worst = sorted(survey.rows, key=lambda row: -row.values["MAE_refined"])
    assert shown_rows(tab) == [row.picture for row in worst]
    for row in worst[:5]:
        line = tab.locator(f"[data-picture='{row.picture}'][role=row]")
        assert row.why in line.inner_text()
        for cell in line.locator(".number").all():
            assert cell.inner_text() == written(row.values[cell.get_attribute("data-key")])
    tab.click(f"[data-picture='{worst[1].picture}'][role=row]")
    tab.click("summary")
    for line in tab.locator(".chosen-picture tbody tr").all():
        assert line.locator("td").inner_text() == written(worst[1].values[line.get_attribute("data-key")])
    assert worst[1].why in tab.locator(".why-whole").inner_text()


def test_the_page_sorts_searches_filters_and_downloads(show: Open) -> None:
    survey = random_survey(20)
    tab = show(survey)
    by = sorted(survey.rows, key=lambda row: row.values["S_refined"])
    tab.get_by_label("Sort by").select_option(label="S, final map")
    assert shown_rows(tab) == [row.picture for row in by]  # the worst, so the lowest, first
    tab.get_by_role("columnheader", name="S, final map").get_by_role("button").click()
    assert shown_rows(tab) == [row.picture for row in by[::-1]]
    tab.get_by_label("Search").fill("nothing is")
    assert len(shown_rows(tab)) == 10
    tab.get_by_label("Only where").select_option(label="object's size")
    tab.get_by_label("at least").fill("0.4")
    left = {r.picture for r in survey.rows if "Nothing" in r.why and r.values["object_share"] >= 0.4}
    assert set(shown_rows(tab)) == left
    assert f"{len(left)} of 20 pictures" in tab.locator(".count").inner_text()
    with tab.expect_download() as started:
        tab.get_by_role("button", name="CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(started.value.path()).read_text(encoding="utf-8"))))
    whole = {line["picture"]: line for line in csv.DictReader(io.StringIO(survey.to_csv()))}
    assert {line["picture"] for line in lines} == left
    for line in lines:
        expected = whole[line["picture"]]
        assert {key: value for key, value in line.items() if key != "why"} == {
            key: value for key, value in expected.items() if key != "why"
        }
    with tab.expect_download() as started:
        tab.get_by_role("button", name="JSON").click()
    rows = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))["rows"]
    of_all = {row["picture"]: row for row in json.loads(survey.to_json())["rows"]}
    assert all(row == of_all[row["picture"]] for row in rows)
    tab.get_by_label("Search").fill("no such picture")
    assert "No picture fits" in tab.locator(".chosen-picture").inner_text()


def test_a_thousand_pictures_have_a_few_rows_in_the_page(show: Open) -> None:
    tab = show(random_survey(1000))
    assert tab.locator("[role=row][data-index]").count() < 40
    assert tab.locator("[role=grid]").get_attribute("aria-rowcount") == "1001"
    assert slow_works(tab, tab.evaluate(WORKS)) == {}
    names = shown_rows(tab)
    assert tab.locator("[role=row][data-index]").count() < 40
    tab.locator("[role=grid]").evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    tab.wait_for_selector(f"[data-picture='{names[-1]}'][role=row]")


def test_arrow_keys_move_through_the_grid(show: Open) -> None:
    tab = show(random_survey(100))
    names = shown_rows(tab)
    tab.focus("[role=row][tabindex='0']")
    for key, index in [("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", 99), ("Home", 0)]:
        tab.keyboard.press(key)
        focused = tab.evaluate("document.activeElement.dataset.picture")
        assert focused == names[index], key
        assert tab.locator(".chosen-picture h2").inner_text() == names[index]


def test_the_scatter_shows_a_picture_and_opens_it(show: Open) -> None:
    survey = random_survey(1)
    tab = show(survey)
    tab.evaluate(
        """async () => {
          const table = JSON.parse(document.getElementById("table").textContent);
          window.opened = [];
          const text = [...document.querySelectorAll("script[type=module]")][0].textContent;
          const source = `${text.split("const table =")[0]}export { mountSurvey };`;
          const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const { mountSurvey } = await import(address);
          mountSurvey(document.getElementById("survey"), table, { onOpen: (name) => window.opened.push(name) });
        }"""
    )
    dot = tab.locator("circle.dot").first
    dot.hover()
    hover = tab.locator(".hover")
    assert hover.is_visible()
    (row,) = survey.rows
    assert row.picture in hover.inner_text()
    assert written(row.values["MAE_refined"]) in hover.inner_text()
    dot.click()
    assert tab.evaluate("window.opened") == [row.picture]
    tab.get_by_role("button", name="Open in Explore").click()
    assert tab.evaluate("window.opened") == [row.picture] * 2


def test_two_checkpoints_side_by_side_are_sorted_by_their_difference(show: Open) -> None:
    survey = random_survey(10, ("one", "two"))
    tab = show(survey)
    pairs = list(zip(survey.rows[::2], survey.rows[1::2], strict=True))
    pairs.sort(key=lambda pair: -abs(pair[0].values["MAE_refined"] - pair[1].values["MAE_refined"]))
    assert shown_rows(tab) == [first.picture for first, _ in pairs]
    cell = tab.locator(f"[data-picture='{pairs[0][0].picture}'][role=row] [data-key=MAE_refined]")
    assert cell.inner_text().split() == [written(row.values["MAE_refined"]) for row in pairs[0]]
    tab.locator(".labelled:has(> span:text-is('Checkpoint')) select").select_option(label="two")
    seconds = sorted(survey.rows[1::2], key=lambda row: -row.values["MAE_refined"])
    assert shown_rows(tab) == [row.picture for row in seconds]


DOCUMENTATION = (Path(__file__).parents[2] / "docs/survey.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("checkpoints", [("one",), ("one", "two")])
def test_each_question_of_the_documentation_is_answered_by_one_choice(show: Open, checkpoints: tuple[str, ...]) -> None:
    survey = random_survey(12, checkpoints)
    tab = show(survey)
    csv_rows = {(row["picture"], row["checkpoint"]): row for row in csv.DictReader(io.StringIO(survey.to_csv()))}
    expected = answers(survey)
    assert len(expected) == 4 + (len(checkpoints) > 1)
    choice = tab.get_by_label("Question")
    assert choice.locator("option").all_inner_texts()[1:] == [*expected]
    for title, answer in expected.items():
        assert f"| {title} |" in DOCUMENTATION
        choice.select_option(label=title)
        assert tab.locator(".answer").inner_text() == answer
        names = shown_rows(tab)
        assert len(names) == 12
        cells = tab.locator(f"[data-picture='{names[0]}'][role=row] .number").all()
        seen = checkpoints if title.startswith("Which checkpoint") else checkpoints[:1]
        for cell in cells:
            key = cell.get_attribute("data-key")
            numbers = [written(float(csv_rows[names[0], checkpoint][key])) for checkpoint in seen]
            assert cell.inner_text().split() == numbers, (title, key)
    if len(checkpoints) > 1:
        assert "upper numbers, blue: one, lower, orange: two" in tab.locator(".count").inner_text()


def test_the_question_memory_puts_the_picture_first_that_memory_hurts_most(show: Open) -> None:
    survey = random_survey(12)
    tab = show(survey)
    tab.get_by_label("Search").fill("nothing")
    tab.get_by_label("Question").select_option(label="Where does memory help or hurt?")
    by = sorted(survey.rows, key=lambda row: row.values["without_memory"])
    assert shown_rows(tab) == [row.picture for row in by]
    assert tab.get_by_label("Search").input_value() == ""
    assert by[0].picture in tab.locator(".answer").inner_text()
    tab.get_by_label("Question").select_option(label="choose a question")
    assert tab.locator(".answer").is_hidden()


@pytest.mark.parametrize("title", ["Where is attention off the object?", "At which level and look?"])
def test_questions_about_attention_put_pictures_first_with_attention_off_the_object(show: Open, title: str) -> None:
    """A small object has a small share of attention even where attention is on it."""
    survey = random_survey(12)
    tab = show(survey)
    tab.get_by_label("Question").select_option(label=title)
    assert shown_rows(tab) == [row.picture for row in sorted(survey.rows, key=lambda row: row.values["focus"])]


def test_the_chosen_map_is_drawn(show: Open) -> None:
    tab = show(random_survey(2))
    tab.locator(".labelled:has(> span:text-is('Map')) select").select_option(label="fine attention, look 1")
    places = tab.evaluate("[...document.querySelectorAll('.body .map')].map((map) => map.style.backgroundPosition)")
    assert [float(place.split("%")[0]) for place in places] == pytest.approx([100 * 4 / 12] * 2, abs=0.01)


def test_the_mask_stands_beside_the_maps(show: Open) -> None:
    survey = random_survey(3, ("one", "two"))
    tab = show(survey)
    mask = survey.rows[0].mask
    for row in tab.locator("[role=row][data-index]").all():
        assert row.locator("img[alt^=Mask]").get_attribute("src") == mask
        boxes = [place.bounding_box() for place in row.locator(".small-pictures > *, .name").all()]
        assert len(boxes) == 5
        for left, right in pairwise(boxes):
            assert left is not None
            assert right is not None
            assert left["x"] + left["width"] <= right["x"]
    assert tab.locator(".chosen-picture img[alt^=Mask]").get_attribute("src") == mask
    without = Survey(survey.plan, [replace(row, mask="") for row in survey.rows])
    assert show(without).locator("img[alt^=Mask]").count() == 0


def test_the_questions_are_shown_whole(show: Open) -> None:
    choice = show(random_survey(2, ("one", "two"))).get_by_label("Question")
    width, needed = choice.evaluate(
        """(select) => {
          const free = select.cloneNode(true);
          free.style.maxWidth = "none";
          select.after(free);
          return [select.offsetWidth, free.offsetWidth];
        }"""
    )
    assert width == needed


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("forced", ["none", "active"])
def test_axe_finds_nothing_on_the_page(show: Open, scheme: str, forced: str) -> None:
    if not AXE.exists():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("axe-core is not installed: make node_modules/ready")
    tab = show(random_survey(30, ("one", "two")), scheme, forced_colors=forced)
    tab.add_script_tag(path=AXE)
    result = tab.evaluate("async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)])")
    assert result == []
