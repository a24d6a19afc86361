"""Measuring: scores equal those of `dgrl evaluate`, curves those of the maps, and bad masks are refused."""

import csv
import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl.app.runs import AS_TRAINED
from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import evaluate
from dgrl.evaluation.metrics import METRICS
from tests.app.conftest import Served


def measure(client: Client, photo: Path, mask: Path | None, steps: int = AS_TRAINED, stretch: bool = True) -> Any:
    mask_file = None if mask is None else handle_file(mask)
    return client.predict(handle_file(photo), mask_file, "tiny", steps, stretch, api_name="/measure")


@pytest.mark.parametrize(("steps", "stretch"), [(AS_TRAINED, True), (0, False)])
def test_scores_are_those_of_evaluate(
    client: Client,
    served: Served,
    photo_files: dict[str, Path],
    mask_files: dict[str, Path],
    steps: int,
    stretch: bool,
) -> None:
    answer, *_ = measure(client, photo_files["high"], mask_files["high"], steps, stretch)
    scores = answer["scores"]
    assert answer["stretched"] == stretch
    pair = Pair(photo_files["high"], mask_files["high"])
    trained = None if steps == AS_TRAINED else steps
    expected = evaluate(served.network, [pair], trained, stretch).scores
    assert list(scores) == list(expected)
    for kind, row in expected.items():
        assert list(scores[kind]) == list(METRICS)
        # The app's maps were float arrays in between, so a value may round to the next of 256 levels.
        assert scores[kind] == pytest.approx(row, abs=2e-3)


def test_files_hold_the_scores_and_curves(
    client: Client, photo_files: dict[str, Path], mask_files: dict[str, Path]
) -> None:
    answer, scores_file, curves_file, figure_file = measure(client, photo_files["wide"], mask_files["wide"])
    scores = answer["scores"]
    assert [Path(path).name for path in (scores_file, curves_file, figure_file)] == [
        "wide_scores.csv", "wide_curves.csv", "wide_curves.svg",
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(Path(scores_file).read_text())))
    assert [row["map"] for row in rows] == ["t0", "t1", "t2", "refined"]
    for row in rows:
        assert {metric: float(row[metric]) for metric in METRICS} == pytest.approx(scores[row["map"]])

    points = [row for row in csv.DictReader(io.StringIO(Path(curves_file).read_text())) if row["map"] == "t1"]
    assert [round(255 * float(point["threshold"])) for point in points] == list(range(255, -1, -1))
    precision, recall, f = (np.array([float(point[name]) for point in points]) for name in ("precision", "recall", "F"))
    assert (np.diff(recall) >= 0).all()
    assert recall[-1] == 1
    share = (np.asarray(Image.open(mask_files["wide"])) > 127).mean()
    assert precision[-1] == pytest.approx(share)
    np.testing.assert_allclose(f, 1.3 * precision * recall / np.maximum(0.3 * precision + recall, 1e-9), atol=1e-6)
    assert f.max() == pytest.approx(scores["t1"]["maxF"])

    root = ElementTree.parse(figure_file).getroot()
    assert root.tag.endswith("svg")
    assert not list(root.iter("{http://www.w3.org/2000/svg}image")), "the figure is not drawn in lines"


def test_a_perfect_map_scores_one(served: Served, photo_files: dict[str, Path], tmp_path: Path, client: Client) -> None:
    """With the network's own result as the mask, the last map scores nearly 1 and the inverse mask nearly 0."""
    result = served.network.detect(photo_files["wide"])
    result = (result - result.min()) / np.ptp(result)
    path = tmp_path / "found.png"
    Image.fromarray(np.where(result > 0.5, 255, 0).astype(np.uint8)).save(path)
    scores = measure(client, photo_files["wide"], path)[0]["scores"]
    assert scores["refined"]["maxF"] > 0.99
    Image.fromarray(np.where(result > 0.5, 0, 255).astype(np.uint8)).save(path)
    inverse = measure(client, photo_files["wide"], path)[0]["scores"]
    assert inverse["refined"]["MAE"] == pytest.approx(1 - scores["refined"]["MAE"], abs=1e-6)


def test_measuring_runs_no_network(client: Client, served: Served, new_photo: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.tri(100, 130, dtype=np.uint8) * 255).save(mask)
    before = len(served.passes), len(served.refinements)
    for stretch in (True, False):
        measure(client, new_photo, mask, stretch=stretch)
    assert (len(served.passes), len(served.refinements)) == (before[0] + 1, before[1] + 1)


def write(path: Path, picture: Image.Image | bytes) -> Path:
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path)
    return path


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (Image.new("L", (200, 121), 255), "The mask has 200×121 pixels and the photo 200×120"),
        (Image.new("L", (200, 120), 127), "The mask is empty"),
        (b"these are words", "mask.png: this is not a picture"),
    ],
    ids=["size", "empty", "words"],
)
def test_a_bad_mask_gets_one_clear_sentence(
    client: Client, photo_files: dict[str, Path], tmp_path: Path, mask: Image.Image | bytes, sentence: str
) -> None:
    with pytest.raises(AppError) as refusal:
        measure(client, photo_files["wide"], write(tmp_path / "mask.png", mask))
    assert sentence in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def test_a_mask_that_is_white_everywhere_is_measured(
    client: Client, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    white = write(tmp_path / "mask.png", Image.new("1", (200, 120), 1))
    scores = measure(client, photo_files["wide"], white)[0]["scores"]
    assert np.isfinite([value for row in scores.values() for value in row.values()]).all()


def test_without_a_mask_nothing_is_measured(client: Client, photo_files: dict[str, Path]) -> None:
    with pytest.raises(AppError, match="Give the photo's mask"):
        measure(client, photo_files["wide"], None)
