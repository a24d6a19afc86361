"""The core works without any extra, and what needs an extra names it in one sentence."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dgrl import DGRL
from dgrl.extras import PACKAGES
from tests.helpers.networks import TINY, draw_photo, filled
from tests.helpers.project import EXTRAS, with_extras

BLOCKED = sorted({name for names in PACKAGES.values() for name in names} | {"gradio_client", "jupyterlab"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a checkpoint, a photo and a mask."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("core")
    filled(DGRL(TINY)).save_pretrained(folder / "tiny")
    for name, picture in zip(("images", "masks"), draw_photo(60, 80), strict=True):
        (folder / name).mkdir()
        Image.fromarray(picture).save(folder / name / "cat.png")
    return folder


def run(folder: Path, code: str, blocked: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process that cannot import the blocked packages."""
    blocker = f"import sys; sys.modules.update(dict.fromkeys({blocked}))\n"
    environment = os.environ | {"DGRL_WEIGHTS": str(folder / "tiny"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", blocker + code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_core_needs_no_extra(folder: Path):
    code = """
from dgrl import cli

codes = [
    cli.main(["detect", "images/cat.png", "--cutout"]),
    cli.main(["trace", "images/cat.png", "-o", "traced"]),
    cli.main(["evaluate", "--images", "images", "--masks", "masks", "--json", "scores.json"]),
]
sys.exit(max(codes))
"""
    done = run(folder, code, BLOCKED)
    assert done.returncode == 0, done.stderr
    assert "no report.html: this needs the package matplotlib: pip install 'dgrl[report]'\n" in done.stderr
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()}
    assert {"saliency/cat.png", "saliency/cat_cutout.png", "scores.json"} <= written
    assert {"traced/trace.npz", "traced/maps/rln.t1.conv4.weight_map.png", "traced/README.txt"} <= written
    assert not (folder / "traced" / "report.html").exists()
    assert "report.html" not in (folder / "traced" / "README.txt").read_text()


COMMANDS = {
    "app": "cli.main(['app'])",
    "caffe": "cli.main(['import-caffe', 'a.caffemodel', 'b.caffemodel', 'out'])",
    "export": "cli.main(['export', '-o', 'model.onnx'])",
    "report": "cli.main(['evaluate', '--images', 'images', '--masks', 'masks', '--report', 'r'])",
    "train": "cli.main(['train', '--images', 'images', '--masks', 'masks', '--out', 'run'])",
}


@pytest.mark.parametrize("extra", COMMANDS)
def test_a_command_names_the_extra_that_is_missing(extra: str, folder: Path):
    done = run(folder, f"from dgrl import cli\nsys.exit({COMMANDS[extra]})", list(PACKAGES[extra]))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"dgrl: this needs the package {PACKAGES[extra][0]}: pip install 'dgrl[{extra}]'"


UNSCORED = {
    "evaluate": ["evaluate", "--images", "images", "--masks", "masks"],
    "train": [
        "train",
        "--images",
        "two/images",
        "--masks",
        "two/masks",
        "--init",
        "tiny",
        "--hold-out",
        "0.5",
        "--out",
        "unscored",
    ],
}


@pytest.mark.parametrize("command", UNSCORED)
def test_without_pysodmetrics_one_sentence_says_how_to_install_it(command: str, folder: Path):
    """On Python 3.14 pip cannot install it with its dependencies. A run that could not be scored does not start."""
    for name in ("images", "masks"):
        (folder / "two" / name).mkdir(parents=True, exist_ok=True)
        for stem in ("cat", "dog"):
            shutil.copy(folder / name / "cat.png", folder / "two" / name / f"{stem}.png")
    done = run(folder, f"from dgrl import cli\nsys.exit(cli.main({UNSCORED[command]}))", ["py_sod_metrics"])
    assert done.returncode == 1
    expected = "dgrl: this needs the package pysodmetrics: pip install --no-deps pysodmetrics"
    assert done.stderr.splitlines()[-1] == expected
    assert not (folder / "unscored" / "log.jsonl").exists()


IMPORTS = {
    "explain": "from dgrl.attribution.methods import captum_methods; captum_methods()",
    "notebook": "import dgrl.widgets",
    "report": "from dgrl import figures; figures.kernel",
    "train": "import dgrl.training.loop",
}


@pytest.mark.parametrize("extra", IMPORTS)
def test_an_import_names_the_extra_that_is_missing(extra: str, folder: Path):
    done = run(folder, IMPORTS[extra], list(PACKAGES[extra]))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("dgrl.extras.MissingExtraError: this needs the package ")
    assert done.stderr.splitlines()[-1].endswith(f": pip install 'dgrl[{extra}]'")


def test_each_extra_brings_the_packages_that_are_named_for_it():
    assert set(EXTRAS) - {"all", "dev", "docs"} == set(PACKAGES)
    providers = importlib.metadata.packages_distributions() | {"google.protobuf": ["protobuf"]}
    for extra, names in PACKAGES.items():
        brought = {name.lower().replace("_", "-") for name in with_extras(extra)}
        for name in names:
            assert {provider.lower().replace("_", "-") for provider in providers[name]} & brought, (extra, name)


def test_all_is_every_extra_but_those_of_developers():
    assert set(with_extras("all")) == set(with_extras(*PACKAGES))
