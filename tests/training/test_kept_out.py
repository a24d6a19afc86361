"""Pictures that a run never sees, and the share of its change that a network keeps."""

import dataclasses

import numpy as np
import pytest
import torch

from dgrl import DGRL
from dgrl.data.drawn import drawn_discs
from dgrl.data.pairs import find_pairs
from dgrl.training.config import TrainingConfig, preset
from dgrl.training.keeping import SHARES, Cost, Kept, best_of, choose_share
from dgrl.training.kept_out import changed_by, errors, keep_change, percent, weights_of
from dgrl.training.loop import train
from dgrl.training.validation import save_best
from tests.helpers.launching import launch
from tests.helpers.networks import TINY, filled, write_pairs

QUICK = {"size": 64, "batch_size": 2, "max_updates": 2, "workers": 0}


@pytest.fixture
def network():
    return filled(DGRL(TINY))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("drawn"), 5)


def test_errors_equal_those_of_the_maps(network, pairs):
    result = errors(network.train(), pairs[:2])
    assert network.training
    trace = [network.eval().trace(pair.image) for pair in pairs[:2]]
    expected = [np.abs(one.saliency - pair.truth()).mean() for one, pair in zip(trace, pairs, strict=False)]
    assert result["refined"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert list(result) == [*(f"t{t}" for t in range(TINY.steps + 1)), "refined"]


def test_a_large_set_is_measured_in_part(network, pairs, monkeypatch):
    monkeypatch.setattr("dgrl.training.kept_out.MOST", 2)
    assert errors(network, pairs) == errors(network, [pairs[0], pairs[3]])


def test_a_share_of_the_change_is_kept(network):
    start = weights_of(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    with changed_by(network, start, 0.25):
        for name, value in network.state_dict().items():
            change = 0.25 if name in dict(network.named_parameters()) else 0.0
            torch.testing.assert_close(value, start[name] + change if change else start[name])
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.data, start[name] + 1)
    keep_change(network, start, 0.5)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.data, start[name] + 0.5)


def test_training_keeps_its_share_and_says_what_it_cost(network, pairs, tmp_path, capsys):
    whole, half = (filled(DGRL(TINY)) for _ in range(2))
    recipe = TrainingConfig(**QUICK)
    train(whole, pairs[:4], tmp_path / "whole", recipe)
    before = errors(network, pairs[4:])
    capsys.readouterr()
    shared = dataclasses.replace(recipe, kept_change=0.5)
    train(half, pairs[:4], tmp_path / "half", shared, kept_out={"held out": pairs[4:], "elsewhere": []})
    start, end = weights_of(network), weights_of(whole)
    for name, value in DGRL.from_pretrained(tmp_path / "half").state_dict().items():
        torch.testing.assert_close(value, torch.lerp(start[name].float(), end[name].float(), 0.5).to(value.dtype))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("held out: error of t0")]
    after = errors(half, pairs[4:])
    assert f"refined {before['refined']:.4f} → {after['refined']:.4f}" in line


def test_the_finetune_preset_leaves_the_backbone_and_keeps_a_share():
    recipe = preset("finetune", "rln", batch_size=2)
    assert recipe.max_updates is not None
    assert preset("finetune", "rln", epochs=3).max_updates is None
    assert preset("finetune", "rln", epochs=3, max_updates=7).max_updates == 7
    assert (recipe.frozen_blocks, recipe.batch_size) == (5, 2)
    assert recipe.kept_change is None, "the hold-out pictures decide"
    assert recipe.learning_rate < preset("default", "rln").learning_rate


def test_a_change_in_words():
    assert percent(0.05, 0.04) == "-20.0 %"
    assert percent(0.0, 0.1) == "from 0"


def kept(share, after, moved=0.0, before=0.1):
    return Kept(share, "t2", before, after, Cost(moved, 0.02, f"maps move by {moved:.4f}"))


NOTHING = kept(0.0, 0.1)


def test_the_share_is_chosen_by_gain_and_cost():
    result = [kept(1.0, 0.02, 0.05), kept(0.8, 0.03, 0.01), kept(0.4, 0.06, 0.005)]
    assert best_of(result, NOTHING).share == 0.8, "all of it would cost too much elsewhere"
    assert best_of([kept(1.0, 0.12), kept(0.4, 0.11)], NOTHING).share == 0, "no harm"
    assert best_of([kept(1.0, 0.12), kept(0.4, 0.092)], NOTHING).share == 0, "8 % may be chance"
    assert best_of([kept(1.0, 0.12), kept(0.4, 0.088)], NOTHING).share == 0.4
    unmeasured = [kept(1.0, None, 0.03, None), kept(0.8, None, 0.01, None)]
    assert best_of(unmeasured, kept(0.0, None, 0.0, None)).share == 0.8
    assert "no share that may be kept lowers the hold-out MAE of t2, 0.1000, by 10%" in NOTHING.sentence()
    message = result[1].sentence()
    assert "Kept 80% of the change: hold-out MAE of t2 0.1000 → 0.0300 (-70.0 %); maps move by 0.0100" in message


def test_no_share_is_measured_after_the_error_rises():
    found = iter([kept(1.0, 0.03), kept(0.9, 0.02), kept(0.8, 0.04), kept(0.7, 0.01)])
    assert best_of(found, NOTHING).share == 0.9
    assert [one.share for one in found] == [0.7]


def test_fine_tuning_chooses_and_prints_its_share(network, pairs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dgrl.training.keeping.PHOTOS", 1)
    monkeypatch.setattr("dgrl.training.keeping.LIMIT", 1.0)
    start = weights_of(network)
    found = []
    monkeypatch.setattr("dgrl.training.keeping.best_of", lambda measured, _: found.extend(measured) or found[-1])
    out = tmp_path / "run"
    train(network, pairs[:4], out, TrainingConfig(**QUICK, kept_change=None), hold_out=pairs[4:])
    assert "Kept 10% of the change: hold-out MAE of" in capsys.readouterr().out
    assert [one.share for one in found] == list(SHARES)
    assert found[0].cost.amount > found[-1].cost.amount > 0
    last = f"t{TINY.steps}"
    assert errors(network, pairs[4:])[last] == pytest.approx(found[-1].after, abs=1e-6)
    with changed_by(network, start, 0.0):
        assert errors(network, pairs[4:])[last] == pytest.approx(found[-1].before, abs=1e-6)


@pytest.mark.parametrize("best_update", [1, 2])
def test_card_and_best_network_are_of_the_kept_share(network, pairs, tmp_path, monkeypatch, best_update):
    monkeypatch.setattr("dgrl.training.keeping.PHOTOS", 1)
    monkeypatch.setattr("dgrl.training.keeping.LIMIT", 1.0)
    monkeypatch.setattr("dgrl.training.keeping.SHARES", (0.5,))
    monkeypatch.setattr("dgrl.training.keeping.best_of", lambda measured, _: next(iter(measured)))
    whole = {}

    def note(progress, _scores, _kind):
        progress.best_update = best_update
        return progress.update == best_update

    def save(model, out, scores, progress):
        whole.update(weights_of(model))
        save_best(model, out, scores, progress)

    monkeypatch.setattr("dgrl.training.loop.note_scores", note)
    monkeypatch.setattr("dgrl.training.loop.save_best", save)
    start, out = weights_of(network), tmp_path / "run"
    train(network, pairs[:4], out, TrainingConfig(**QUICK, kept_change=None, validate_every=1), hold_out=pairs[4:])
    best = DGRL.from_pretrained(out / "best")
    for name, value in best.state_dict().items():
        torch.testing.assert_close(value, torch.lerp(start[name].float(), whole[name].float(), 0.5).to(value.dtype))
    card, card_of_best = ((folder / "README.md").read_text() for folder in (out, out / "best"))
    assert "Kept 50% of the change: hold-out MAE of t" in card
    assert "Kept 50% of the change: hold-out MAE of t" in card_of_best
    for name, model in (("last, this one", DGRL.from_pretrained(out)), (f"`best/`, update {best_update}", best)):
        row = next(line for line in card.splitlines() if line.startswith(f"| {name}, 50% of the change | MAE |"))
        values = [float(cell) for cell in row.split("|")[3:-1]]
        assert values == pytest.approx(list(errors(model, pairs[4:]).values()), abs=2e-4)


def test_named_pictures_say_what_a_share_costs(network, pairs):
    start = weights_of(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1.1
    kind = f"t{TINY.steps}"
    kept = choose_share(network, start, [], kind, pairs[:2])
    after = {}
    for share in (0.0, *SHARES):
        with changed_by(network, start, share):
            after[share] = errors(network, pairs[:2])
    within = [
        share for share in SHARES if all(after[share][name] <= 1.02 * after[0.0][name] for name in (kind, "refined"))
    ]
    assert kept.share == max(within, default=0.0)
    assert f"MAE elsewhere of {kind} {after[0.0][kind]:.4f} → {after[kept.share][kind]:.4f}" in kept.sentence()


def test_the_command_uses_the_pictures_elsewhere(network, pairs, tmp_path, monkeypatch):
    asked = []

    def choose(model, start, hold_out, kind, elsewhere):
        asked.append([pair.stem for pair in elsewhere])
        return kept(0.5, None, 0.0, None)

    monkeypatch.setattr("dgrl.training.loop.choose_share", choose)
    recipe = TrainingConfig(**QUICK, kept_change=None)
    train(network, pairs[:3], tmp_path / "run", recipe, kept_out={"elsewhere": pairs[3:]})
    assert asked == [[pair.stem for pair in pairs[3:]]]


@pytest.mark.slow
def test_the_command_halves_the_error_on_discs_by_its_defaults(tmp_path):
    """The shipped network, twenty drawn pictures, no settings: as a reader would start; minutes on a CPU."""
    pairs = drawn_discs(tmp_path / "drawn", 30)
    others = pairs[::3]
    for pair in others:
        for path in (pair.image, pair.mask):
            (tmp_path / path.parent.name).mkdir(exist_ok=True)
            path.rename(tmp_path / path.parent.name / path.name)
    folders = ["--images", tmp_path / "drawn" / "image", "--masks", tmp_path / "drawn" / "mask"]
    said = launch("dgrl", "train", *folders, "--init", "dgrl-lite", "--out", tmp_path / "run", seconds=1800)
    assert "with 18 pictures, 2 to validate by" in said
    assert "Kept" in said
    moved = find_pairs(tmp_path / "image", tmp_path / "mask")
    before, after = (errors(DGRL.from_pretrained(weights), moved) for weights in (None, tmp_path / "run"))
    assert after["refined"] <= 0.5 * before["refined"], said
