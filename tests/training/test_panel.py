"""The training panel: its controls, and that it is a view of the run's folder."""

import base64
import gc
import html
import json
import re
import sys
import time
from xml.etree import ElementTree

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image

from dgrl import DGRL, cli
from dgrl.data.pairs import find_pairs
from dgrl.figures.notebook import VIEW
from dgrl.settings import fields
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import TrainingConfig, preset
from dgrl.training.form import Form
from dgrl.training.panel import NETWORKS, TrainingPanel
from dgrl.training.runs import is_running, options_of, read_state, shown_command, start_run, stop_run
from dgrl.training.validation import validate
from tests.helpers.networks import TINY, TRAINED, filled, write_pairs

QUICK = {"size": 64, "batch_size": 2, "max_updates": 40, "workers": 0, "validate_every": 4, "checkpoint_every": 4}


@pytest.fixture
def drawn(tmp_path):
    write_pairs(tmp_path / "drawn", 20)
    DGRL(TRAINED).save_pretrained(tmp_path / "network")
    return tmp_path / "drawn" / "image", tmp_path / "drawn" / "mask"


@pytest.fixture
def panel(drawn, tmp_path):
    resumed = TrainingPanel(tmp_path / "run", *drawn, "default", network={"init": tmp_path / "network"}, **QUICK)
    yield resumed
    resumed.close()


def pretend(out, updates=(2, 4)):
    """Write a run's folder as training would leave it."""
    (out / "pictures").mkdir(parents=True)
    settings = {"recipe": vars(preset("default", "rln", **QUICK)), "lists": {"pictures": 18}}
    (out / "training.json").write_text(json.dumps(settings))
    lines = [{"update": u, "loss": 1 / u, "pictures_per_second": 4.0} for u in range(1, updates[-1] + 1)]
    for shade, update in enumerate(updates):
        scores = {"pictures": 2, "MAE": {"t0": 0.3 / update, "refined": 0.2}, "maxF": {"t0": 0.5, "refined": 0.6}}
        lines.append({"update": update, "validation": scores, "best": True})
        Image.new("RGB", (8, 8), (80 * shade, 0, 0)).save(out / "pictures" / f"{update:08d}.png")
    (out / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (out / "checkpoints" / "00000004").mkdir(parents=True)


def shown(panel):
    return base64.b64decode(re.search(r"base64,([^\"]+)", panel.pictures.value)[1])


def test_every_setting_has_a_control_with_help_and_bounds():
    form = Form(TrainingConfig())
    assert set(form.controls) == set(fields(TrainingConfig))
    assert TrainingConfig(**form.values()) == TrainingConfig()
    for name, (_, setting) in fields(TrainingConfig).items():
        assert setting.meaning in form.controls[name].tooltip
    form.controls["batch_size"].value = -3
    assert form.values()["batch_size"] == 1, "below its bound"
    form.controls["learning_rate"].value = "2e-3"
    form.controls["max_updates"].value = "7"
    assert form.changes(TrainingConfig()) == {"batch_size": 1, "learning_rate": 2e-3, "max_updates": 7}
    form.controls["learning_rate"].value = "fast"
    with pytest.raises(ValueError, match="learning_rate must be a number, not 'fast'"):
        form.values()


def test_settings_become_options():
    options = options_of({"images": "a b", "augment": False, "pretrained": True, "minutes": None, "max_updates": 3})
    assert options == ["--images", "a b", "--no-augment", "--pretrained", "--max-updates", "3"]
    assert shown_command(options, 2).startswith("accelerate launch --num_processes 2 -m dgrl train --images 'a b'")


def test_a_panel_shows_the_run_in_its_folder(drawn, tmp_path, monkeypatch):
    pretend(tmp_path / "run")
    panel = TrainingPanel(tmp_path / "run", *drawn, "default", **QUICK)
    try:
        assert panel.label.value == "stopped, update 4 of 40"
        assert panel.start_button.disabled
        assert panel.stop_button.disabled
        assert not panel.resume_button.disabled
        assert 'alt="Loss by update' in panel.curves.value
        last = shown(panel)
        panel.film.value = 2
        assert shown(panel) == (tmp_path / "run" / "pictures" / "00000002.png").read_bytes() != last
        assert panel.evaluate_button.disabled, "there is no network to evaluate"
        assert panel.kept.value == ""
        sentence = "Kept 80% of the change: hold-out MAE of t2 0.1 → 0.02 (-80.0 %)"
        (tmp_path / "run" / "output.txt").write_text(f"{sentence}\nheld out: error of t0 0.1 → 0.1\n")
        panel.refresh()
        assert panel.kept.value == sentence
        outputs = []
        monkeypatch.setattr(
            "dgrl.figures.notebook.display", lambda data, metadata, raw: outputs.append((data, metadata))
        )
        panel._ipython_display_()
        (widget, _), (data, metadata) = outputs
        assert VIEW in widget
        assert VIEW not in data, "JupyterLab would show that the saved widget is not found, and no picture"
        assert base64.b64decode(data["image/png"]) == last
        assert "stopped, update 4 of 40" in metadata["image/png"]["alt"]
    finally:
        panel.close()


def test_evaluate_measures_the_best_network_on_the_hold_out_pictures(drawn, tmp_path):
    """Or on the folders that are named; in a process of its own, so that the kernel stays free."""
    out = tmp_path / "run"
    pretend(out)
    best = filled(DGRL(TINY))
    best.save_pretrained(out / "best")
    held = find_pairs(*drawn)[:3]
    (out / "hold_out.txt").write_text("".join(f"{pair.image.name}\n" for pair in held))
    settings = {"images": [str(drawn[0])], "masks": [str(drawn[1])], "data": [], "skip_bad": False}
    (out / "training.json").write_text(json.dumps(settings))
    panel = TrainingPanel(out)
    try:
        for others, pairs in (((), held), (drawn, find_pairs(*drawn))):
            panel.other_images.value, panel.other_masks.value = map(str, others or ("", ""))
            panel.evaluate_button.click()
            assert panel.evaluate_button.disabled, "it is at it"
            assert "dgrl evaluate" in panel.message.value
            panel._evaluating.join(200)
            assert f"Evaluated on {len(pairs)} pictures" in panel.message.value
            table = ElementTree.fromstring(panel.scores.value)
            cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.findall("tr")}
            column = cells["map"].index("MAE")
            wanted = validate(best, pairs).mae
            errors = {kind: float(row[column]) for kind, row in cells.items() if kind != "map"}
            assert errors == pytest.approx(wanted, abs=2e-3)
            assert table.find("caption").text.startswith("run/best on")
        panel.other_masks.value = ""
        panel.evaluate_button.click()
        assert "one of masks to evaluate on" in panel.message.value
        panel.other_images.value = str(drawn[0]) + "s"
        panel.other_masks.value = str(drawn[1])
        panel.evaluate_button.click()
        panel._evaluating.join(200)
        assert "is not a folder" in panel.message.value
    finally:
        panel.close()


def test_misuse_is_a_sentence_in_the_panel(panel, drawn):
    panel.masks.value = str(drawn[0])
    panel.start_button.click()
    time.sleep(0)
    assert "masks that are photos" in panel.message.value
    assert 'role="alert"' in panel.message.value
    panel.masks.value = str(drawn[1]) + "s"
    panel.start_button.click()
    assert "did you mean" in panel.message.value
    panel.masks.value = ""
    panel.start_button.click()
    assert "name a folder of pictures and one of masks" in panel.message.value
    assert not panel.out.exists()


def test_a_wrong_setting_is_one_error(tmp_path, monkeypatch):
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", lambda problem: ignored.append(problem.exc_value))
    with pytest.raises(TypeError, match="batch_size"):
        TrainingPanel(tmp_path / "run", batchsize=2)
    gc.collect()
    assert ignored == []


def test_the_check_shows_its_findings_and_augmented_pictures(panel):
    panel.check_data()
    assert "20 pictures with masks" in panel.findings.value
    assert "Augmented pictures" in panel.preview.children[0].value


def test_it_shows_the_command_and_the_python_that_do_the_same(panel):
    assert "accelerate launch -m dgrl train --images" in panel.commands.value
    assert "--max-updates 40" in panel.commands.value
    assert "preset(&#x27;default&#x27;, &#x27;rln&#x27;" in panel.commands.value


def test_a_new_network_gets_the_recipe_for_new_ones(drawn, tmp_path):
    panel = TrainingPanel(tmp_path / "run", *drawn)
    shipped, *_, new = NETWORKS
    try:
        for network, wanted in ((new, "default"), (shipped, "finetune")):
            panel.networks.value = network
            assert panel.preset.value == wanted
            assert panel.config() == preset(wanted, "rln")
        panel.preset.value = "paper"
        panel.networks.value = new
        assert panel.preset.value == "paper", "it was chosen"
    finally:
        panel.close()


@pytest.mark.parametrize("new", [True, False])
def test_the_python_it_shows_trains_as_its_command_does(drawn, tmp_path, new):
    network = {"backbone": "test_resnet", "pretrained": False, "steps": 0, "rln_size": 64}
    network = network if new else {"init": tmp_path / "network"}
    settings = QUICK | {"max_updates": 1, "frozen_blocks": 1}
    panel = TrainingPanel(tmp_path / "run", *drawn, "default", network=network, **settings)
    try:
        assert cli.main(["train", *panel.arguments()]) == 0
        (python,) = re.findall("<pre>(from dgrl.*?|import torch.*?)</pre>", panel.commands.value, re.DOTALL)
    finally:
        panel.close()
    AcceleratorState._reset_state(reset_partial_state=True)
    exec(html.unescape(python).replace(str(tmp_path / "run"), str(tmp_path / "python")), {})
    by_command, by_python = (DGRL.from_pretrained(tmp_path / name).state_dict() for name in ("run", "python"))
    assert all(torch.equal(value, by_python[name]) for name, value in by_command.items())


@pytest.mark.slow
def test_a_run_outlives_the_panel_and_is_found_again(panel, tmp_path):
    """Start, stop, a new panel on the same folder, resume: the weights are those of a run that never stopped."""
    out = tmp_path / "run"
    panel.start()
    with pytest.raises(TrainingError, match=r"trains in .* already"):
        start_run(out, [])
    wait(lambda: len(read_state(out).validations) >= 2, out)
    again = TrainingPanel(out)
    try:
        assert again.images.value == panel.images.value
        assert again.form.values() == panel.form.values()
        again.refresh()
        assert not again.stop_button.disabled
        again.stop()
        wait(lambda: not is_running(out), out)
        again.refresh()
        assert not again.resume_button.disabled, again.state.said
        again.resume()
        wait(lambda: read_state(out).finished and not is_running(out), out)
    finally:
        again.close()
        stop_run(out)
    whole = tmp_path / "whole"
    start_run(whole, [*panel.arguments()[:-1], str(whole)])
    wait(lambda: read_state(whole).finished and not is_running(whole), whole)
    resumed, uninterrupted = (DGRL.from_pretrained(folder).state_dict() for folder in (out, whole))
    assert all(torch.equal(value, uninterrupted[name]) for name, value in resumed.items())


def wait(holds, out, seconds=400):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, read_state(out).said
        time.sleep(0.5)
