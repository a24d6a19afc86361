"""Metrics, the evaluation of networks and of folders of maps, and what `dgrl evaluate` writes."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import py_sod_metrics
import pytest
import torch
from PIL import Image

from dgrl import DGRL, ImageError, cli
from dgrl.data.pairs import DataError, Pair
from dgrl.evaluation.evaluate import concentration, evaluate, evaluate_maps, run
from dgrl.evaluation.metrics import METRICS, Scores, contour_band, measure
from dgrl.evaluation.tally import WORST
from dgrl.figures.evaluation import contact_sheet, curves_figure
from dgrl.network import sizing
from dgrl.running.device import rewrite_for_inference
from tests.helpers.launching import launch
from tests.helpers.networks import TINY, draw_photo, filled, write_pairs

COUNT = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def pairs(folder):
    return write_pairs(folder, COUNT)


@pytest.fixture(scope="module")
def maps(folder, pairs):
    """Write noisy masks in 8 bits that use neither black nor white."""
    random = np.random.RandomState(3)
    (folder / "ours").mkdir()
    for pair in pairs:
        saliency = 20 + 150 * pair.truth() + random.uniform(0, 60, pair.truth().shape)
        Image.fromarray(saliency.astype(np.uint8)).save(folder / "ours" / f"{pair.stem}.png")
    return folder / "ours"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "tiny"
    filled(DGRL(TINY)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def loaded(checkpoint):
    """Return the network as commands run it; its memory layout moves a few pixels by a grey level."""
    network = DGRL.from_pretrained(checkpoint)
    rewrite_for_inference(network, torch.device("cpu"))
    return network


def reference(maps, masks):
    """Return the metrics of pysodmetrics itself, with its own stretch."""
    f = py_sod_metrics.FmeasureV2(
        {"F": py_sod_metrics.FmeasureHandler(with_dynamic=True, with_adaptive=True, beta=0.3)}
    )
    mae, weighted = py_sod_metrics.MAE(), py_sod_metrics.WeightedFmeasure()
    structure, enhanced = py_sod_metrics.Smeasure(), py_sod_metrics.Emeasure()
    for saliency, mask in zip(maps, masks, strict=True):
        for metric in (f, mae, weighted, structure, enhanced):
            metric.step(saliency, mask * 255)
    curve = f.get_results()["F"]["dynamic"]
    return {
        "MAE": mae.get_results()["mae"],
        "maxF": curve.max(),
        "meanF": curve.mean(),
        "adaptiveF": f.get_results()["F"]["adaptive"],
        "weightedF": weighted.get_results()["wfm"],
        "S": structure.get_results()["sm"],
        "E": enhanced.get_results()["em"]["curve"].mean(),
    }


def test_a_folder_of_maps_gives_the_numbers_of_pysodmetrics(pairs, maps):
    result = evaluate_maps(maps, pairs)
    read = [np.asarray(Image.open(maps / f"{pair.stem}.png")) for pair in pairs]
    expected = reference(read, [pair.truth() for pair in pairs])
    assert list(result.scores) == ["ours"]
    assert {name: result.scores["ours"][name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert result.pictures == COUNT
    assert "published protocol: maps stretched to [0, 1]" in result.table()


def test_a_network_gives_the_numbers_of_its_saved_maps(pairs, tiny_model):
    result = evaluate(tiny_model, pairs)
    assert list(result.scores) == ["t0", "t1", "t2", "refined"]
    for kind in ("t1", "refined"):
        saved = []
        for pair in pairs:
            stretched = sizing.stretch(run(tiny_model, pair, None, True)[1][kind])
            saved.append((stretched[0, 0] * 255).round().byte().numpy())
        expected = reference(saved, [pair.truth() for pair in pairs])
        assert {name: result.scores[kind][name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_without_the_stretch_maps_are_as_they_are(pairs, maps):
    plain = evaluate_maps(maps, pairs, stretch=False)
    errors = [np.abs(np.asarray(Image.open(maps / f"{pair.stem}.png")) / 255 - pair.truth()).mean() for pair in pairs]
    assert plain.scores["ours"]["MAE"] == pytest.approx(np.mean(errors), abs=1e-12)
    assert plain.scores["ours"]["MAE"] > evaluate_maps(maps, pairs).scores["ours"]["MAE"] + 0.02
    assert "not stretched" in plain.table()


def test_scores_keep_what_the_app_shows(pairs):
    scores = Scores()
    with pytest.raises(ValueError, match="nothing was measured"):
        scores.results()
    masks = [pair.truth() for pair in pairs]
    for mask in masks:
        scores.add(mask * np.float32(0.8), mask)
    results = scores.results()
    assert tuple(results) == METRICS
    assert results["MAE"] == pytest.approx(0.2 * np.mean([mask.mean() for mask in masks]))
    assert results["maxF"] == pytest.approx(1)


def test_a_perfect_map_and_an_inverted_one():
    mask = draw_photo()[1] // 255
    perfect = measure(mask * 255, mask).results()
    assert perfect["MAE"] == 0
    assert [perfect[name] for name in ("maxF", "adaptiveF", "weightedF", "S")] == pytest.approx([1] * 4, abs=1e-6)
    assert perfect["boundaryF"] > 0.99
    inverted = measure((1 - mask) * 255, mask).results()
    assert inverted["MAE"] == 1
    assert inverted["boundaryF"] < 0.05


def test_masks_without_a_contour_do_not_count_for_the_boundary():
    mask = draw_photo()[1] // 255
    plain = np.zeros_like(mask)
    both = measure(mask * 200, mask) + measure(plain, plain)
    assert both.count == 2
    assert both.contours == 1
    assert both.results()["boundaryF"] == measure(mask * 200, mask).results()["boundaryF"]
    assert measure(plain, plain).results()["boundaryF"] == 0


def test_the_band_is_three_pixels_on_either_side():
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 1
    band = contour_band(mask)
    assert np.array_equal(np.flatnonzero(band[5]), np.arange(7, 13))
    assert not contour_band(np.ones((20, 20), np.uint8)).any()


def test_boundary_f_is_blind_to_what_is_far_from_the_contour():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 1
    good = mask * 255
    far, near = good.copy(), good.copy()
    far[:4, :4] = 255
    near[8:10, 10:30] = 255
    scores = [measure(saliency, mask).results() for saliency in (good, far, near)]
    assert scores[0]["boundaryF"] == scores[1]["boundaryF"] > scores[2]["boundaryF"] + 0.02
    assert scores[1]["MAE"] > 0


def test_boundary_f_by_hand():
    """At every threshold from 1 to 255 the map is 1 on two columns too many; at 0 it is 1 everywhere."""
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 1
    saliency = np.zeros((20, 20), np.uint8)
    saliency[:, 8:] = 255

    def f(precision, recall):
        return 1.3 * precision * recall / (0.3 * precision + recall)

    expected = (255 * f(3 / 5, 1) + f(3 / 6, 1)) / 256
    assert measure(saliency, mask).results()["boundaryF"] == pytest.approx(expected, abs=1e-12)


def test_attention_by_step_and_level(pairs, tiny_model):
    result = evaluate(tiny_model, pairs, steps=1)
    assert {t: list(levels) for t, levels in result.attention.items()} == {
        "t0": ["conv3", "conv4", "conv5"],
        "t1": ["conv3", "conv4", "conv5"],
    }
    weights = [run(tiny_model, pair, 1, False)[0].steps[1].weight_maps["conv4"] for pair in pairs]
    expected = np.mean(
        [concentration(weight_map, pair.truth()) for weight_map, pair in zip(weights, pairs, strict=True)]
    )
    assert result.attention["t1"]["conv4"] == pytest.approx(expected)
    assert f"| t1 | {result.attention['t1']['conv3']:.2f} | {expected:.2f} |" in result.table()


def test_concentration():
    mask = np.zeros((8, 8), np.uint8)
    mask[:, :2] = 1
    assert concentration(torch.ones(1, 1, 4, 4), mask) == pytest.approx(1)
    inside = torch.zeros(1, 1, 4, 4)
    inside[..., 0] = 4
    assert concentration(inside, mask) == pytest.approx(4)
    assert concentration(inside, np.zeros((8, 8), np.uint8)) == 1


def test_without_brn_or_context(pairs):
    network = filled(DGRL(dataclasses.replace(TINY, context=False)))
    result = evaluate(network, pairs[:1], refine=False)
    assert list(result.scores) == ["t0", "t1", "t2"]
    assert result.attention == {}
    assert "mass" not in result.table()


def test_rows_curves_and_worst_pictures(pairs, maps):
    result = evaluate_maps(maps, pairs, threads=3)
    assert [row.pair for row in result.rows] == list(pairs)
    assert np.mean([row.scores["S"] for row in result.rows]) == pytest.approx(result.scores["ours"]["S"])
    curve = result.curves["ours"]
    assert {name: values.shape for name, values in curve.items()} == dict.fromkeys(("precision", "recall", "F"), (256,))
    assert curve["F"].max() == result.scores["ours"]["maxF"]
    assert curve["recall"][-1] == 1, "the last threshold is 0"
    errors = [worst.row.scores["MAE"] for worst in result.worst]
    assert errors == sorted((row.scores["MAE"] for row in result.rows), reverse=True)[:WORST]
    worst = result.worst[0]
    assert np.array_equal(worst.saliency, np.asarray(Image.open(maps / f"{worst.row.pair.stem}.png")))


def test_only_the_worst_maps_are_kept(pairs, maps, tmp_path):
    copies = [Pair(pair.image.with_name(f"{i}_{pair.stem}.png"), pair.mask) for i in range(5) for pair in pairs]
    for pair in copies:
        shutil.copy(maps / f"{pair.stem[2:]}.png", tmp_path / f"{pair.stem}.png")
    result = evaluate_maps(tmp_path, copies)
    assert len(result.worst) == WORST
    assert result.pictures == len(result.rows) == 5 * COUNT


def test_maps_of_another_size_are_resized_and_counted(pairs, maps, tmp_path):
    for path in maps.iterdir():
        image = Image.open(path)
        image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST).save(tmp_path / path.name)
    Image.open(maps / "000.png").save(tmp_path / "000.png")
    result = evaluate_maps(tmp_path, pairs)
    assert result.resized == COUNT - 1
    assert f"{COUNT - 1} maps resized" in result.protocol
    expected = evaluate_maps(maps, pairs).scores["ours"]["MAE"]
    assert result.scores[tmp_path.name]["MAE"] == pytest.approx(expected, abs=0.02)


def test_missing_and_duplicate_maps_are_refused(pairs, maps, tmp_path):
    with pytest.raises(DataError, match=r"has no map for 5 of 5 pictures, e\.g\. 000"):
        evaluate_maps(tmp_path, pairs)
    for suffix in ("png", "bmp"):
        Image.open(maps / "000.png").save(tmp_path / f"000.{suffix}")
    with pytest.raises(DataError, match=r"holds both 000\.bmp and 000\.png"):
        evaluate_maps(tmp_path, pairs[:1])


def test_missing_maps_can_be_passed_over(pairs, maps, tmp_path):
    Image.open(maps / "002.png").save(tmp_path / "002.png")
    refused = []
    result = evaluate_maps(tmp_path, pairs, refuse=refused.append)
    assert (result.pictures, result.refused) == (1, COUNT - 1)
    assert str(refused[0]) == f"{tmp_path}: there is no map for 000"


def test_one_map_is_not_taken_for_two_pictures(pairs, maps):
    with pytest.raises(DataError, match="several pictures are called 001"):
        evaluate_maps(maps, [pairs[0], pairs[1], pairs[1]])


def test_maps_with_nan_are_refused(pairs, tmp_path):
    values = np.full((64, 80), np.nan, np.float32)
    Image.fromarray(values).save(tmp_path / "000.tif")
    with pytest.raises(ImageError, match=r"000\.tif: it holds NaN"):
        evaluate_maps(tmp_path, pairs[:1])
    refused = []
    with pytest.raises(DataError, match="none of the pictures can be evaluated"):
        evaluate_maps(tmp_path, pairs[:1], refuse=refused.append)
    assert len(refused) == 1


def test_a_network_that_gives_nan_is_refused(pairs):
    network = filled(DGRL(TINY))
    with torch.no_grad():
        network.brn.layers[0].weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"000\.png: the network returned NaN"):
        evaluate(network, pairs)


def test_pictures_that_cannot_be_read_are_passed_over_on_request(tmp_path, tiny_model):
    pairs = write_pairs(tmp_path, 3)
    pairs[1].image.write_bytes(pairs[1].image.read_bytes()[:200])
    with pytest.raises(ImageError, match=r"001\.png"):
        evaluate(tiny_model, pairs)
    refused = []
    result = evaluate(tiny_model, pairs, refuse=refused.append)
    assert (result.pictures, result.refused, len(refused)) == (2, 1, 1)
    whole = evaluate(tiny_model, [pairs[0], pairs[2]])
    assert result.scores == whole.scores


def test_figures_show_what_was_found(pairs, maps):
    result = evaluate_maps(maps, pairs)
    left, right = curves_figure(result.curves, result.protocol).axes
    np.testing.assert_array_equal(left.lines[0].get_xdata(), result.curves["ours"]["recall"])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), result.curves["ours"]["F"][::-1])
    sheet = contact_sheet(result.worst)
    titles = [ax.get_title() for ax in sheet.axes if ax.get_title()]
    first = result.worst[0].row
    assert titles[:2] == [first.pair.stem, f"MAE {first.scores['MAE']:.3f}"]
    assert sum(bool(ax.images) for ax in sheet.axes) == 3 * COUNT


@pytest.fixture
def dgrl(checkpoint, monkeypatch, capsys, folder, pairs):
    """Run `dgrl evaluate` on the drawn pairs: (exit code, stdout, lines of stderr)."""
    monkeypatch.setenv("DGRL_WEIGHTS", str(checkpoint))

    def run(*arguments, folder=folder):
        both = ["--images", str(folder / "image"), "--masks", str(folder / "mask")]
        code = cli.main(["evaluate", *both, "--device", "cpu", "--precision", "fp32", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, [line for line in err.splitlines() if line.startswith("dgrl:")]

    return run


def test_the_command_writes_table_json_and_report(dgrl, tmp_path, pairs, loaded):
    code, out, err = dgrl("--json", tmp_path / "new" / "a.json", "--report", tmp_path / "report")
    assert (code, err) == (0, [])
    expected = evaluate(loaded, pairs)
    assert expected.table() in out
    written = json.loads((tmp_path / "new" / "a.json").read_text())
    assert written["scores"]["refined"] == pytest.approx(expected.scores["refined"], abs=1e-9)
    assert written["attention"]["t2"].keys() == {"conv3", "conv4", "conv5"}
    assert written["protocol"] == expected.protocol
    names = ["curves.csv", "curves.png", "metrics.json", "pictures.csv", "table.md", "worst.png"]
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == names
    with (tmp_path / "report" / "pictures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * COUNT
    assert (rows[3]["picture"], rows[3]["map"]) == ("000.png", "refined")
    assert float(rows[3]["MAE"]) == pytest.approx(expected.rows[3].scores["MAE"], abs=1e-9)
    with (tmp_path / "report" / "curves.csv").open() as file:
        curves = list(csv.DictReader(file))
    assert [row["threshold"] for row in curves] == [str(threshold) for threshold in range(255, -1, -1)]
    assert float(curves[7]["t1 F"]) == pytest.approx(expected.curves["t1"]["F"][7], abs=1e-9)
    for name in ("curves.png", "worst.png"):
        with Image.open(tmp_path / "report" / name) as image:
            image.load()


def test_the_command_measures_maps_without_a_network(dgrl, maps, pairs, monkeypatch, capsys):
    monkeypatch.setattr(DGRL, "from_pretrained", lambda *arguments: pytest.fail("a network was loaded"))
    code, out, _ = dgrl("--maps", maps)
    assert code == 0
    assert evaluate_maps(maps, pairs).table() in out
    assert cli.main(["evaluate", "--masks", str(pairs[0].mask.parent), "--maps", str(maps)]) == 0
    assert evaluate_maps(maps, pairs).table() in capsys.readouterr().out
    code, _, err = dgrl("--maps", maps, "--steps", 1)
    assert (code, len(err)) == (1, 1)


def test_bad_pictures_end_with_1_or_with_skip_bad_with_2(dgrl, tmp_path):
    pairs = write_pairs(tmp_path, 3)
    pairs[0].mask.unlink()
    pairs[1].image.write_bytes(b"no picture")
    code, out, err = dgrl(folder=tmp_path)
    assert (code, out) == (1, "")
    assert err[0] == "dgrl: problems: 2; sound pairs: 1"
    assert any("001.png" in line for line in err)
    assert "--skip-bad" in err[-1]
    code, out, err = dgrl("--skip-bad", folder=tmp_path)
    assert code == 2
    assert "1 picture; published protocol" in out
    assert err[-1] == "dgrl: skipped: 2"


def test_a_list_limits_the_evaluation(dgrl, tmp_path):
    (tmp_path / "list.txt").write_text("001\n003\n")
    assert "2 pictures;" in dgrl("--only", tmp_path / "list.txt", "--no-refine", "--steps", 0)[1]
    assert "3 pictures;" in dgrl("--without", tmp_path / "list.txt", "--no-refine", "--steps", 0)[1]


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(tmp_path, folder, pairs, loaded, checkpoint):
    """Five pictures, so that one process has more than the other; gloo."""
    both = ["--images", folder / "image", "--masks", folder / "mask", "--json", tmp_path / "two.json"]
    settings = ["--weights", checkpoint, "--device", "cpu", "--precision", "fp32"]
    launch("dgrl", "evaluate", *both, *settings, "--report", tmp_path / "report", processes=2)
    two = json.loads((tmp_path / "two.json").read_text())
    alone = evaluate(loaded, pairs)
    assert two["pictures"] == COUNT
    for kind, scores in alone.scores.items():
        assert two["scores"][kind] == pytest.approx(scores, abs=1e-9)
    for t, levels in alone.attention.items():
        assert two["attention"][t] == pytest.approx(levels, abs=1e-9)
    with (tmp_path / "report" / "pictures.csv").open() as file:
        names = [row["picture"] for row in csv.DictReader(file)]
    assert names == [row.pair.image.name for row in alone.rows]
