"""`dgrl train`: what the command line makes of its options."""

import json
import subprocess
import sys

import pytest
import torch

from dgrl import DGRL, DGRLConfig, cli
from dgrl.network.config import BRN_SETTINGS
from dgrl.training.config import NETWORK_SETTINGS, TrainingConfig, preset
from tests.helpers.networks import write_pairs
from tests.helpers.reset_accelerate import reset_accelerate  # noqa: F401

NEW = ("--backbone", "test_resnet", "--no-pretrained")
QUICK = ("--max-updates", "2", "--batch-size", "2", "--size", "64", "--workers", "0", "--pictures-every", "0")


@pytest.fixture
def drawn(tmp_path):
    write_pairs(tmp_path / "drawn", 5)
    return "--images", tmp_path / "drawn" / "image", "--masks", tmp_path / "drawn" / "mask"


@pytest.fixture
def dgrl(capsys):
    """Run `dgrl train`: (exit code, lines of stdout, lines of stderr that are no progress bar)."""

    def run(*arguments):
        code = cli.main(["train", *map(str, arguments)])
        out, err = capsys.readouterr()
        return (
            code,
            out.splitlines(),
            [line for line in err.splitlines() if line and "update/s" not in line and "s/update" not in line],
        )

    return run


def recipe_of(folder):
    return json.loads((folder / "training.json").read_text())["recipe"]


def test_trains_a_new_network(dgrl, drawn, tmp_path):
    code, out, err = dgrl(*drawn, *NEW, *QUICK, "--steps", 1, "--out", tmp_path / "run")
    assert (code, err) == (0, [])
    assert "Training rln on cpu with 5 pictures" in out
    config = DGRL.from_pretrained(tmp_path / "run").config
    assert (config.backbone, config.steps, config.context) == ("test_resnet", 1, True)
    assert config.refinement_gain == NETWORK_SETTINGS["default"]["refinement_gain"]
    assert TrainingConfig(**recipe_of(tmp_path / "run")) == TrainingConfig(
        max_updates=2, batch_size=2, size=64, workers=0
    )


@pytest.mark.parametrize(
    ("option", "setting"),
    [
        (("--steps", "0"), {"steps": 0}),
        (("--no-context",), {"context": False}),
        (("--share-heads",), {"share_heads": True}),
        (("--kernel-size", "7"), {"kernel_size": 7}),
        (("--rln-size", "96"), {"rln_size": 96}),
        (("--feedback", "plain"), {"feedback": "plain"}),
    ],
)
def test_each_ablation_of_the_paper_is_one_option(dgrl, drawn, tmp_path, option, setting):
    code, _, _ = dgrl(*drawn, *NEW, *QUICK, "--max-updates", 1, *option, "--out", tmp_path / "run")
    assert code == 0
    model = DGRL.from_pretrained(tmp_path / "run")
    for name, value in setting.items():
        assert getattr(model.config, name) == value
    step = model.rln(torch.rand(1, 3, 64, 64)).steps
    assert len(step) == (1 if "--steps" in option else 3)
    assert bool(step[0].weight_maps) == (option != ("--no-context",))
    assert len(model.rln.heads) == {"--steps": 1, "--share-heads": 1}.get(option[0], 3)


def test_the_paper_preset(dgrl, drawn, tmp_path):
    code, _, _ = dgrl(*drawn, *NEW, "--preset", "paper", "--max-updates", 1, "--size", 64, "--workers", 0,
                      "--pictures-every", 0, "--out", tmp_path / "run")  # fmt: skip
    assert code == 0
    assert recipe_of(tmp_path / "run") == vars(preset("paper", "rln", max_updates=1, size=64, workers=0))
    config = DGRL.from_pretrained(tmp_path / "run").config
    assert (config.prior, config.refinement_std, config.refinement_gain) == ("binary", 0.01, 1.0)


def test_stages_follow_one_another(dgrl, drawn, tmp_path):
    assert dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--out", tmp_path / "one")[0] == 0
    assert dgrl(*drawn, *QUICK, "--init", tmp_path / "one", "--steps", 2, "--out", tmp_path / "all")[0] == 0
    brn = ("--stage", "brn", "--new-brn", "--kernel-size", 3, "--crop", 32)
    # BRN is trained at its own size, 480: few pictures.
    assert dgrl(*drawn, *QUICK, "--max-updates", 1, *brn, "--init", tmp_path / "all", "--out", tmp_path / "brn")[0] == 0
    localised, refined = DGRL.from_pretrained(tmp_path / "all"), DGRL.from_pretrained(tmp_path / "brn")
    assert (localised.config.steps, refined.config.steps, refined.config.kernel_size) == (2, 2, 3)
    kept = refined.rln.state_dict()
    for name, value in localised.rln.state_dict().items():
        assert torch.equal(kept[name], value), name


def test_a_new_brn_is_the_presets_whatever_it_replaces(dgrl, drawn, tmp_path):
    assert dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--feedback", "plain", "--out", tmp_path / "rln")[0] == 0
    small = (
        "--refinement-channels",
        "4,6",
        "--refinement-dilations",
        "1,2,1",
        "--propagations",
        2,
        "--prior",
        "soft",
        "--refinement-padding",
        "zeros",
    )
    begin = (*drawn, *QUICK, "--max-updates", 1, "--stage", "brn", "--new-brn", "--crop", 32)
    assert dgrl(*begin, *small, "--init", tmp_path / "rln", "--out", tmp_path / "small")[0] == 0
    config = DGRL.from_pretrained(tmp_path / "small").config
    assert (config.refinement_channels, config.refinement_dilations) == ((4, 6), (1, 2, 1))
    assert (config.propagations, config.prior, config.refinement_padding) == (2, "soft", "zeros")
    assert config.feedback == "plain"  # RLN's, which is kept
    assert dgrl(*begin, "--preset", "paper", "--init", tmp_path / "small", "--out", tmp_path / "published")[0] == 0
    renewed = DGRL.from_pretrained(tmp_path / "published").config
    published = DGRLConfig(prior="binary")
    assert all(getattr(renewed, name) == getattr(published, name) for name in BRN_SETTINGS)


def test_a_trained_network_is_finetuned_unless_another_preset_is_named_or_brn_is_new(dgrl, drawn, tmp_path):
    assert dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--out", tmp_path / "first")[0] == 0
    init = (*drawn, *QUICK, "--max-updates", 1, "--init", tmp_path / "first")
    for name, options, expected in (
        ("tuned", (), "finetune"),
        ("named", ("--preset", "default"), "default"),
        ("brn", ("--stage", "brn", "--new-brn", "--crop", 32), "default"),
    ):
        assert dgrl(*init, *options, "--out", tmp_path / name)[0] == 0
        assert recipe_of(tmp_path / name)["kept_change"] == preset(expected, "rln").kept_change
    assert recipe_of(tmp_path / "first")["kept_change"] == 1


def test_training_reports_its_effect_on_hold_out_pictures(dgrl, drawn, tmp_path):
    write_pairs(tmp_path / "others", 3)
    names = tmp_path / "names.txt"
    names.write_text("\n".join(sorted(path.stem for path in (tmp_path / "drawn" / "image").iterdir())[:2]))
    elsewhere = ("--elsewhere", tmp_path / "others" / "image", tmp_path / "others" / "mask")
    code, out, _ = dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--keep-out", names, *elsewhere, "--out", tmp_path / "run")
    assert code == 0
    assert "Training rln on cpu with 3 pictures" in out
    assert [line.split(" 0.")[0] for line in out[-2:]] == ["held out: error of t0", "elsewhere: error of t0"]


def test_excluded_names_must_exist_and_leave_pictures_to_train_with(dgrl, drawn, tmp_path):
    names = tmp_path / "names.txt"
    stems = sorted(path.stem for path in (tmp_path / "drawn" / "image").iterdir())
    for said, message in (("nothing", "match no picture: nothing"), ("\n".join(stems), "none is left")):
        names.write_text(said)
        code, _, err = dgrl(*drawn, *NEW, *QUICK, "--keep-out", names, "--out", tmp_path / "run")
        assert (code, len(err)) == (1, 1)
        assert message in err[0]
        assert not (tmp_path / "run").exists()


def test_resuming_uses_the_same_settings(dgrl, drawn, tmp_path):
    settings = (*drawn, *NEW, *QUICK, "--steps", 0, "--frozen-blocks", 1, "--seed", 3, "--checkpoint-every", 1)
    assert dgrl(*settings, "--out", tmp_path / "whole")[0] == 0
    assert dgrl(*settings, "--out", tmp_path / "cut")[0] == 0
    (tmp_path / "cut" / "model.safetensors").unlink()
    for file in (tmp_path / "cut" / "checkpoints" / "00000002").iterdir():
        file.unlink()
    (tmp_path / "cut" / "checkpoints" / "00000002").rmdir()
    assert dgrl("--resume", tmp_path / "cut")[0] == 0
    whole, cut = (DGRL.from_pretrained(tmp_path / name).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())


def test_incompatible_settings_are_refused(dgrl, drawn, tmp_path):
    for arguments, message in (
        ((*drawn, *NEW), "--out"),
        ((*drawn, "--init", tmp_path, "--backbone", "resnet18", "--out", tmp_path / "run"), "--backbone"),
        ((*drawn, "--init", tmp_path, "--kernel-size", 3, "--out", tmp_path / "run"), "--new-brn"),
        ((*drawn, "--init", tmp_path, "--propagations", 2, "--out", tmp_path / "run"), "--new-brn"),
        ((*drawn, "--init", tmp_path, "--feedback", "plain", "--out", tmp_path / "run"), "--feedback"),
        ((*drawn, *NEW, "--refinement-channels", "8,x", "--out", tmp_path / "run"), "whole numbers"),
        ((*drawn, *NEW, "--refinement-dilations", "1,2", "--out", tmp_path / "run"), "refinement_dilations"),
        ((*drawn, *NEW, "--prior", "hard", "--out", tmp_path / "run"), "prior must be"),
        ((*drawn, *NEW, "--preset", "fast", "--out", tmp_path / "run"), "'fast' is unknown"),
        ((*drawn, *NEW, "--stage", "both", "--out", tmp_path / "run"), "stage must be rln, brn or joint"),
        ((*drawn, *NEW, "--size", 100, "--out", tmp_path / "run"), "multiple of 32"),
        (("--resume", tmp_path), "not a training run"),
        ((*drawn, "--init", tmp_path / "nothing", "--out", tmp_path / "run"), "nothing"),
    ):
        code, _, err = dgrl(*arguments)
        assert code == 1
        assert len(err) == 1
        assert message in err[0]
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "is empty, or no JSON"), ("{}", "has no"), ("[]", "has no"), ("null", "has no")],
)
def test_a_run_without_its_settings_is_refused_with_a_reason(dgrl, tmp_path, content, said):
    (tmp_path / "training.json").write_text(content)
    code, _, errors = dgrl("--resume", tmp_path)
    assert code == 1
    assert len(errors) == 1
    assert said in errors[0]


def test_two_processes_do_not_train_in_one_folder(dgrl, drawn, tmp_path):
    out = tmp_path / "run"
    holding = "import sys\nfrom pathlib import Path\nfrom dgrl.training.checkpoints import claimed\n"
    holding += "with claimed(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    other = subprocess.Popen(
        [sys.executable, "-c", holding, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        code, _, errors = dgrl(*drawn, *NEW, *QUICK, "--out", out)
        assert code == 1
        assert "another process is training" in errors[-1]
        assert not (out / "training.json").exists()
    finally:
        other.communicate("")
    assert dgrl(*drawn, *NEW, *QUICK, "--out", out)[0] == 0


def test_a_run_may_be_resumed_from_elsewhere_and_with_its_data_moved(dgrl, drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = ("--images", "drawn/image", "--masks", "drawn/mask")
    settings = (*NEW, *QUICK, "--steps", 0, "--checkpoint-every", 1)
    assert dgrl(*folders, *settings, "--out", "cut")[0] == 0
    saved = json.loads((tmp_path / "cut" / "training.json").read_text())
    assert saved["images"] == [str(tmp_path / "drawn" / "image")]
    (tmp_path / "cut" / "model.safetensors").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = dgrl("--resume", "../cut", "--learning-rate", 1)
    assert (code, err) == (0, [])
    assert any("Not taken" in line and "learning_rate 1.0 (the run's: 0.001)" in line for line in out)
    (tmp_path / "cut" / "model.safetensors").unlink()
    (tmp_path / "drawn").rename(tmp_path / "moved")
    assert dgrl("--resume", "../cut")[0] == 1
    code, out, _ = dgrl("--resume", "../cut", "--images", "../moved/image", "--masks", "../moved/mask")
    assert code == 0
    assert not [line for line in out if "has changed" in line], "the names are the same"


def test_pictures_are_held_out_by_list_or_share(dgrl, drawn, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("000.png\n001.png\n")
    code, out, _ = dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--hold-out", names, "--out", tmp_path / "listed")
    assert code == 0
    assert any(line.endswith("with 3 pictures, 2 to validate by") for line in out)
    assert (tmp_path / "listed" / "best" / "model.safetensors").is_file()
    share = dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--hold-out", 0.4, "--out", tmp_path / "share")[1]
    assert any(line.endswith("with 3 pictures, 2 to validate by") for line in share)
    for expected, message in (("1.5", "from 0 to below 1"), ("no.txt", "neither a file of names nor a share")):
        code, _, err = dgrl(*drawn, *NEW, *QUICK, "--hold-out", expected, "--out", tmp_path / "run")
        assert code == 1
        assert message in err[0]


def test_rates_are_tried_on_request(dgrl, drawn, tmp_path):
    code, out, err = dgrl(*drawn, *NEW, *QUICK, "--steps", 0, "--find-rate", "--out", tmp_path / "rates")
    assert (code, err) == (0, [])
    assert "the loss falls fastest at learning_rate" in out[-1]
    assert {path.name for path in (tmp_path / "rates").iterdir()} == {"rates.csv", "rates.png"}
