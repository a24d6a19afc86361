"""What `from dgrl import …` gives for training, and what misuse says."""

import subprocess
import sys

import pytest

import dgrl
from dgrl import DGRL, TrainingConfig, evaluate, find_pairs, train
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


def test_importing_dgrl_imports_no_training():
    code = "import sys, dgrl; assert not {'torch', 'accelerate', 'dgrl.training'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
