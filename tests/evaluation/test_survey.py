"""The survey: its numbers by hand, its sentences, its files, and that it goes on where it was stopped."""

import base64
import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl import DGRL
from dgrl.cli import main
from dgrl.data.pairs import DataError, Pair
from dgrl.evaluation.metrics import METRICS, measure
from dgrl.evaluation.survey import Survey, survey
from dgrl.evaluation.survey.numbers import attention_numbers, lean, moved, object_numbers
from dgrl.evaluation.survey.page import page, script
from dgrl.evaluation.survey.reason import reason
from dgrl.evaluation.survey.run import plan_of
from dgrl.evaluation.survey.store import Store, fingerprint
from dgrl.images import ImageError
from dgrl.taps import flatten_map, mean_kernels, scale_feedback
from tests.helpers.networks import TINY, filled, write_pairs

NETWORK = replace(TINY, rln_size=64, brn_size=64)
LEVELS = ("conv3", "conv4", "conv5")


@pytest.fixture(scope="module")
def network() -> DGRL:
    return filled(DGRL(NETWORK))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return write_pairs(tmp_path_factory.mktemp("survey"), 3)


@pytest.fixture(scope="module")
def surveyed(network: DGRL, pairs: list[Pair]) -> Survey:
    return survey({"tiny": network}, [pair.image for pair in pairs], pairs[0].mask.parent)


def test_the_numbers_equal_those_of_the_trace(network: DGRL, pairs: list[Pair], surveyed: Survey) -> None:
    for pair, row in zip(pairs, surveyed.rows, strict=True):
        trace, truth = network.trace(pair.image), pair.truth()
        final = np.rint(trace.saliency * 255).astype(np.uint8)
        scores = measure(final, truth, stretch=False).results()
        assert [row.values[f"{name}_refined"] for name in METRICS] == pytest.approx([*scores.values()], abs=1e-3)
        for t in range(3):
            error = np.abs(trace.sized(t) - truth).mean()
            assert row.values[f"MAE_t{t}"] == pytest.approx(error, abs=3e-3)
        assert row.values["object_share"] == pytest.approx(truth.mean())
        assert row.values["found_share"] == pytest.approx(trace.found().mean(), abs=1e-3)
        for level in LEVELS:
            for step in trace.steps:
                weights = torch.from_numpy(step.weight_maps[level])[None, None]
                for name, value in attention_numbers(weights, truth.astype(bool)).items():
                    assert row.values[f"{name}_{level}_t{step.t}"] == pytest.approx(value, abs=1e-3)
        change = np.abs(trace.steps[1].saliency - trace.steps[0].saliency).mean()
        assert row.values["change_t1"] == pytest.approx(change, abs=1e-4)
        edits = {"flat": flatten_map("*"), "memory": scale_feedback("*", 0), "kernel": mean_kernels()}
        for part, edit in edits.items():
            altered = network.trace(pair.image, edits=[edit]).saliency
            effect = np.abs(altered - truth).mean() - np.abs(trace.saliency - truth).mean()
            assert row.values[f"without_{part}"] == pytest.approx(effect, abs=1e-4), part


def test_every_column_has_its_number_and_every_number_its_column(surveyed: Survey) -> None:
    keys = [column.key for column in surveyed.plan.columns]
    assert len(set(keys)) == len(keys)
    for row in surveyed.rows:
        assert set(row.values) == set(keys)
        assert all(value is None or math.isfinite(value) for value in row.values.values())


def test_attention_in_numbers() -> None:
    inside = np.zeros((8, 8), bool)
    inside[:, 4:] = True
    flat = torch.ones(1, 1, 4, 4)
    numbers = attention_numbers(flat, inside)
    assert numbers["on_object"] == pytest.approx(0.5)
    assert numbers["entropy"] == pytest.approx(1)
    assert numbers["distance"] == pytest.approx(0.25 / math.sqrt(2))
    weights = torch.full((1, 1, 4, 4), 1e-12)
    weights[..., 0, 3] = 16
    numbers = attention_numbers(weights, inside)
    assert numbers["on_object"] == pytest.approx(1)
    assert numbers["entropy"] == pytest.approx(0, abs=1e-6)
    assert moved(flat, weights) == pytest.approx(15 / 16)
    assert moved(weights, weights) == 0
    nothing = attention_numbers(flat, np.zeros((8, 8), bool))
    assert (nothing["on_object"], nothing["distance"]) == (None, None)


def test_objects_in_numbers() -> None:
    photo = np.zeros((20, 40, 3), np.uint8)
    inside = np.zeros((20, 40), bool)
    inside[2:6, 2:6] = inside[10:14, 30:35] = True
    photo[inside] = 255
    numbers = object_numbers(photo, inside)
    assert numbers == {"object_share": pytest.approx(36 / 800), "objects": 2.0, "contrast": pytest.approx(1)}
    assert object_numbers(photo, np.zeros_like(inside))["contrast"] is None


def test_kernels_lean_to_where_they_draw_from() -> None:
    kernels = torch.zeros(1, 9, 4, 4)
    kernels[:, 5] = -2.0  # the neighbour on the right
    assert lean(kernels, torch.full((1, 1, 4, 4), 0.5)) == pytest.approx(1)
    kernels[:, 3] = 2.0  # and the one on the left
    assert lean(kernels, torch.full((1, 1, 4, 4), 0.5)) == pytest.approx(0)
    assert lean(kernels, torch.ones(1, 1, 4, 4)) is None


def values(**changed: float | None) -> dict[str, float | None]:
    """Return a row: an object on a fifth of the picture, attention on it everywhere, and a large error."""
    usual: dict[str, float | None] = {"object_share": 0.2, "found_share": 0.2}
    usual |= {f"on_object_{level}_t{t}": 0.8 for level in LEVELS for t in range(3)}
    usual |= {f"MAE_{kind}": 0.1 for kind in ("t0", "t1", "t2", "refined")}
    return usual | changed


REASONS: dict[str, tuple[dict[str, float | None], str]] = {
    "leaves": ({"on_object_conv5_t1": 0.2, "on_object_conv5_t2": 0.1}, "leaves it at look 2 in coarse"),
    "never, one level": (
        {f"on_object_conv4_t{t}": 0.1 for t in range(3)},
        "Attention never reaches the object in medium.",
    ),
    "never": ({key: 0.1 for key in values() if key.startswith("on_")}, "never reaches the object at any level"),
    "late": ({"on_object_conv3_t0": 0.1}, "reaches the object only at look 2 in fine"),
    "memory": ({"MAE_t2": 0.2, "MAE_refined": 0.2}, "later looks make it worse: the error is 0.100 at look 1"),
    "sharpening": ({"MAE_refined": 0.2}, "sharpening makes it worse: the error is 0.100 before it and 0.200 after it"),
    "too much": ({"found_share": 0.6}, "more than the object is found: 60% of the picture instead of 20%"),
    "too little": ({"found_share": 0.05}, "only part of it is found: 5% of the picture instead of 20%"),
    "outline": ({}, "Attention is on the object, but the map differs from the mask in places or at the outline."),
    "nothing": ({"found_share": 0.0}, "Nothing is found"),
    "good": ({"MAE_refined": 0.01}, "This is not a bad picture: the error is small."),
    "empty mask": ({"object_share": 0.0}, "The mask is empty"),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_a_picture_is_bad(name: str) -> None:
    changed, message = REASONS[name]
    assert message in reason(values(**changed), 2, LEVELS)


def test_without_masks_the_object_found_stands_for_the_true_one(network: DGRL, pairs: list[Pair]) -> None:
    result = survey({"tiny": network}, [pairs[0].image], parts=False)
    (row,) = result.rows
    assert not any(key.startswith("MAE") for key in row.values)
    assert row.values["object_share"] == row.values["found_share"]
    assert "on_object_conv5_t0" in row.values
    assert not any(column.group == "parts" for column in result.plan.columns)


def test_two_checkpoints_disagree_by_their_difference(network: DGRL, pairs: list[Pair]) -> None:
    other = filled(DGRL(replace(NETWORK, kernel_size=3)))
    result = survey({"one": network, "other": other}, [pairs[0].image], pairs[0].mask.parent, parts=False)
    maps = [model.trace(pairs[0].image).saliency for model in (network, other)]
    for row in result.rows:
        assert row.values["disagreement"] == pytest.approx(np.abs(maps[0] - maps[1]).mean(), abs=3e-3)
    assert [row.checkpoint for row in result.rows] == ["one", "other"]


def test_csv_json_and_page_hold_the_same_numbers(surveyed: Survey) -> None:
    lines = list(csv.DictReader(io.StringIO(surveyed.to_csv())))
    objects, table = json.loads(surveyed.to_json())["rows"], surveyed.for_page()
    for line, record, row in zip(lines, objects, table["rows"], strict=True):
        assert line["picture"] == record["picture"] == table["pictures"][row["picture"]]["name"]
        for column, value in zip(table["columns"], row["values"], strict=True):
            assert record[column["key"]] == value
            assert line[column["key"]] == ("" if value is None else str(value))
        assert line["why"] == record["why"] == row["why"]


def test_the_page_has_the_masks(network: DGRL, pairs: list[Pair], surveyed: Survey) -> None:
    for pair, picture in zip(pairs, surveyed.for_page()["pictures"], strict=True):
        small = Image.open(io.BytesIO(base64.b64decode(picture["mask"].partition(",")[2])))
        assert (np.asarray(small) > 127).mean() == pytest.approx(pair.truth().mean(), abs=0.02)
    without = survey({"tiny": network}, [pairs[0].image], parts=False)
    assert [picture["mask"] for picture in without.for_page()["pictures"]] == [""]


def test_a_name_cannot_end_the_page_s_data(surveyed: Survey) -> None:
    row = replace(surveyed.rows[0], picture="</script><script>alert(1)</script>.png")
    html = page(Survey(surveyed.plan, [row]), "</title>")
    assert "<script>alert" not in html
    assert "</title></title>" not in html


def test_the_script_needs_no_other_file() -> None:
    assert not re.search(r"^import ", script(), re.MULTILINE)
    assert "</script" not in script()


def test_bad_input_is_refused_and_the_rest_done(network: DGRL, pairs: list[Pair], tmp_path: Path) -> None:
    bad, alone = tmp_path / "bad.png", tmp_path / "alone.png"
    bad.write_bytes(b"no picture")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(alone)
    with pytest.raises(ImageError):
        survey({"tiny": network}, [bad])
    refused: list[Exception] = []
    result = survey(
        {"tiny": network}, [alone, pairs[0].image], pairs[0].mask.parent, parts=False, refuse=refused.append
    )
    assert [row.picture for row in result.rows] == [pairs[0].image.name]
    assert "no mask" in str(refused[0])


def test_a_survey_that_was_stopped_goes_on(network: DGRL, surveyed: Survey, tmp_path: Path) -> None:
    plan, weights = surveyed.plan, [fingerprint(network)]
    store = Store(tmp_path, plan, weights)
    rows = store.append(0, iter(surveyed.rows))
    next(rows)
    rows.close()
    with (tmp_path / "rows" / "0.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"picture": "001.png", "che')  # killed while it wrote
    again = Store(tmp_path, plan, weights)
    assert again.done() == {surveyed.rows[0].picture}
    list(again.append(0, iter(surveyed.rows[1:])))
    names = [row.picture for row in surveyed.rows]
    assert list(again.survey(names).rows) == list(surveyed.rows)
    assert [row.picture for row in again.survey(names[::-1]).rows] == names[::-1]
    with pytest.raises(DataError, match="other settings or weights"):
        Store(tmp_path, plan, ["other"])


def test_the_rows_of_several_processes_are_one_table(network: DGRL, surveyed: Survey, tmp_path: Path) -> None:
    stores = [Store(tmp_path, surveyed.plan, [fingerprint(network)]) for _ in range(2)]
    for process, store in enumerate(stores):
        list(store.append(process, iter(surveyed.rows[process::2])))
    assert stores[0].done() == {row.picture for row in surveyed.rows}
    assert list(stores[0].survey([row.picture for row in surveyed.rows]).rows) == list(surveyed.rows)


def test_the_command_writes_its_files_and_skips_finished_work(
    network: DGRL,
    pairs: list[Pair],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network.save_pretrained(tmp_path / "weights")
    folder, masks, out = pairs[0].image.parent, pairs[0].mask.parent, tmp_path / "out"
    command = ["survey", str(folder), "--masks", str(masks), "--weights", str(tmp_path / "weights"), "-o", str(out)]
    assert main([*command, "--no-parts", "--precision", "fp32"]) == 0
    lines = list(csv.DictReader((out / "survey.csv").open()))
    assert [line["picture"] for line in lines] == [pair.image.name for pair in pairs]
    first = (out / "survey.html").read_text(encoding="utf-8")
    monkeypatch.setattr("dgrl.evaluation.survey.run.run_pass", lambda *_: pytest.fail("a pass was run again"))
    assert main([*command, "--no-parts", "--precision", "fp32"]) == 0
    assert (out / "survey.html").read_text(encoding="utf-8") == first
    assert main(command) == 1
    assert "other settings" in capsys.readouterr().err


def test_a_plan_says_what_its_tiles_show(network: DGRL) -> None:
    titles = [tile["title"] for tile in plan_of({"one": network}, True, 1, False).tiles]
    assert titles[:4] == ["look 1", "look 2", "final map", "fine attention, look 1"]
    assert titles[-1] == "coarse attention, look 2"
