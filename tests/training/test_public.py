"""The names for training in `from dgrl import …`, and the messages of misuse."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dgrl
from dgrl import DGRL, TrainingConfig, evaluate, find_pairs, train
from dgrl.data.pairs import DataError
from dgrl.settings import check_names
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import preset
from tests.helpers.networks import TRAINED, write_pairs


def test_trained_and_measured_with_public_names_and_plain_strings(tmp_path):
    write_pairs(tmp_path / "drawn", 6)
    pairs = find_pairs(f"{tmp_path}/drawn/image", f"{tmp_path}/drawn/mask")
    config = TrainingConfig(size=64, batch_size=2, max_updates=1, workers=0)
    model = train(DGRL(TRAINED), pairs, f"{tmp_path}/run", config)
    assert evaluate(model, pairs[:2]).pictures == 2
    assert {"TrainingConfig", "evaluate", "find_pairs", "train"} <= set(dgrl.__all__)


def test_a_wrong_name_gets_a_suggestion():
    for make in (TrainingConfig, lambda **changes: preset("paper", "rln", **changes)):
        with pytest.raises(TypeError, match="has no setting batchsize; did you mean batch_size"):
            make(batchsize=4)
    with pytest.raises(ValueError, match="did you mean finetune"):
        preset("fine-tune", "rln")


def test_settings_may_be_named_beside_the_recipe(tmp_path):
    pairs = write_pairs(tmp_path / "drawn", 4)
    quick = {"size": 64, "batch_size": 2, "max_updates": 1, "workers": 0}
    for number, config in enumerate(("default", TrainingConfig())):
        train(DGRL(TRAINED), pairs, tmp_path / str(number), config, **quick)
        recipe = json.loads((tmp_path / str(number) / "training.json").read_text())["recipe"]
        assert quick.items() <= recipe.items()
    with pytest.raises(TypeError, match="did you mean batch_size"):
        train(DGRL(TRAINED), pairs, tmp_path / "run", batchsize=4)


def test_the_readme_trains_with_one_import_from_dgrl():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Training\n")[2].partition("\n## ")[0]
    lines = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    assert len(lines.splitlines()) <= 8
    imports = [node for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imports] == ["dgrl"]
    assert {alias.name for alias in imports[0].names} <= set(dgrl.__all__)
    assert "train(" in lines


def test_misuse_is_a_sentence(tmp_path):
    pairs = write_pairs(tmp_path / "drawn", 2)
    with pytest.raises(DataError, match="nowhere is not a folder"):
        find_pairs(f"{tmp_path}/nowhere", f"{tmp_path}/drawn/mask")
    with pytest.raises(DataError, match=r"pairs must be what find_pairs\(images, masks\) returns, not 'drawn'"):
        train(DGRL(TRAINED), "drawn", tmp_path / "run")
    with pytest.raises(DataError, match="hold_out must be"):
        train(DGRL(TRAINED), pairs, tmp_path / "run", hold_out="names.txt")
    with pytest.raises(ValueError, match="learning_rate must be a number, not 'fast'"):
        TrainingConfig(learning_rate="fast")
    with pytest.raises(TrainingError, match="lower accumulate"):
        train(DGRL(TRAINED), pairs, tmp_path / "run", batch_size=4, accumulate=4, workers=0)


def test_importing_dgrl_imports_no_training():
    code = "import sys, dgrl; assert not {'torch', 'accelerate', 'dgrl.training'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_other_libraries_are_understood():
    with pytest.raises(TypeError, match="has no setting lr; did you mean learning_rate"):
        check_names(TrainingConfig, ["lr"])
