"""Train on a packed data set on the CPU, in the same way as for ten minutes on a GPU."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dgrl import DGRL
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.data.augment_batch import augmented, crops
from dgrl.data.packed import pack, unpack
from dgrl.data.pairs import DataError
from dgrl.training import packed
from dgrl.training.checkpoints import TrainingError
from dgrl.training.named import NOTHING
from dgrl.training.packed import RECIPE, batch_of, orders, train_packed, with_pages
from tests.helpers.networks import TRAINED, disc, write_pairs

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture
def shards(tmp_path):
    pairs = write_pairs(tmp_path / "drawn", 12)
    pack(pairs, tmp_path / "packed", side=64, quality=90)
    return pairs, tmp_path / "packed"


def test_shards_hold_every_picture_and_mask_as_squares(shards):
    pairs, folder = shards
    images, masks = unpack(folder, CPU)
    assert images.shape == (12, 3, 64, 64)
    assert masks.shape == (12, 1, 64, 64)
    assert images.dtype == masks.dtype == torch.uint8
    assert set(masks.unique().tolist()) == {0, 255}
    for pair, image, mask in zip(pairs, images, masks, strict=True):
        assert float(mask.float().mean()) / 255 == pytest.approx(pair.truth().mean(), abs=0.02)
        inside, outside = (image.float()[:, where].mean(1) for where in (mask[0] > 0, mask[0] == 0))
        assert (inside - outside).abs().max() > 5, "the object is where its mask is"


def test_shards_stay_below_their_size(shards, monkeypatch, tmp_path):
    monkeypatch.setattr("dgrl.data.packed.SHARD_BYTES", 5000)
    files = pack(shards[0], tmp_path / "small", side=64)
    assert len(files) > 2
    assert all(file.stat().st_size <= 5000 for file in files)
    whole, parts = (unpack(folder, CPU) for folder in (shards[1], tmp_path / "small"))
    torch.testing.assert_close(whole[1], parts[1])
    with pytest.raises(DataError, match="holds shards already"):
        pack(shards[0], tmp_path / "small", side=64)
    with pytest.raises(DataError, match="no shards"):
        unpack(tmp_path, CPU)


def test_crops_keep_their_share_and_masks_follow_their_pictures():
    torch.manual_seed(0)
    maps = crops(400, 0.6)
    area = (maps[:, 0, 0] * maps[:, 1, 1]).abs()
    assert area.max() <= 1 + 1e-6
    assert 0.6 < area.mean() < 0.95
    assert ((maps[:, :, :2].abs().sum(2) + maps[:, :, 2].abs()) <= 1 + 1e-5).all(), "inside the picture"
    assert 0.4 < float((maps[:, 0, 0] < 0).float().mean()) < 0.6
    mask = disc(64, 64, (20, 40), 12).repeat(8, 1, 1, 1)
    images, masks = augmented(mask.repeat(1, 3, 1, 1), mask, 0.9)
    for image, found in zip(images, masks, strict=True):
        assert set(found.unique().tolist()) == {0, 1}
        assert image[:, found[0] > 0].mean() > image[:, found[0] == 0].mean() + 0.3


def test_batches_hold_prompts_as_often_as_asked_at_a_drawn_size(shards):
    images, masks = unpack(shards[1], CPU)
    torch.manual_seed(0)
    chosen = next(orders(12, 12))
    assert sorted(chosen.tolist()) == list(range(12))
    seen = set()
    for share in (0.0, 1.0):
        config = packed.TrainingConfig(**(vars(RECIPE) | {"named_share": share}))
        for _ in range(6):
            batch = batch_of(images, masks, chosen, config, (32, 64))
            seen.add(batch.images.shape[-1])
            assert batch.images.shape[-2:] == batch.masks.shape[-2:] == batch.places.shape[-2:]
            assert (batch.given == NOTHING).all() if share == 0 else (batch.given != NOTHING).sum() > 6
    assert seen == {32, 64}


def test_pages_of_text_join_the_pictures_and_never_hold_an_object(shards):
    images, masks = unpack(shards[1], CPU)
    torch.manual_seed(0)
    more, shapes = with_pages(images, masks, 0.25)
    assert len(more) == len(shapes) == 16
    assert more.dtype == shapes.dtype == torch.uint8
    torch.testing.assert_close(more[:12], images)
    pages = more[12:].float()
    assert pages.flatten(1).std(1).min() > 10, "the pages have text on them"
    assert not torch.equal(pages[0], pages[1])
    assert not shapes[12:].any()
    assert with_pages(images, masks, 0.0)[0] is images
    config = packed.TrainingConfig(**(vars(RECIPE) | {"named_share": 1.0}))
    batch = batch_of(more, shapes, torch.arange(12, 16), config, (64,))
    assert not batch.masks.any(), "a page has no mask, also if another picture's object could be pasted"
    assert (batch.given == NOTHING).all()


def test_ten_updates_change_only_rln_and_write_checkpoint_log_and_network(shards, monkeypatch, tmp_path):
    monkeypatch.setattr(packed, "CHECKPOINT_SECONDS", 0.0)
    images, masks = unpack(shards[1], CPU)
    torch.manual_seed(1)
    model = DGRL(TRAINED)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = packed.TrainingConfig(**(vars(RECIPE) | {"batch_size": 4}))
    trained = train_packed(model, images, masks, tmp_path / "run", config, 600, max_updates=10, sizes=(96,))
    after = DGRL.from_pretrained(tmp_path / "run").state_dict()
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"rln"}
    assert all(torch.equal(value, after[name]) for name, value in trained.state_dict().items())
    checkpoint = DGRL.from_pretrained(tmp_path / "run" / "checkpoint").state_dict()
    assert all(torch.equal(value, after[name]) for name, value in checkpoint.items() if name.startswith("brn."))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["update"], line["skipped"]) for line in lines] == [(10, 0)]
    assert np.isfinite(lines[0]["loss"])


def test_a_run_that_only_skips_its_updates_is_an_error(shards, monkeypatch, tmp_path):
    images, masks = unpack(shards[1], CPU)
    monkeypatch.setattr(packed, "MOST_SKIPPED", 3)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(math.nan))
    with pytest.raises(TrainingError, match="3 updates in a row were skipped"):
        train_packed(DGRL(TRAINED), images, masks, tmp_path / "run", RECIPE, 600, max_updates=10, sizes=(96,))


def test_training_ends_by_the_clock(shards, tmp_path):
    images, masks = unpack(shards[1], CPU)
    config = packed.TrainingConfig(**(vars(RECIPE) | {"batch_size": 4}))
    train_packed(DGRL(TRAINED), images, masks, tmp_path / "run", config, 0.5, sizes=(96,))
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_script_leaves_out_what_chooses_the_recipe_and_what_checks_the_choice(tmp_path):
    lists = [(SHIPPED_WEIGHTS / name).read_text().split() for name in ("validation_DUTS-TR.txt", "check_DUTS-TR.txt")]
    assert [len(set(names)) for names in lists] == [400, 200]
    kept_out = {stem for names in lists for stem in names}
    assert len(kept_out) == 600, "no picture is in both"
    pairs = write_pairs(tmp_path / "drawn", 3)
    for stem in kept_out:
        for path in (pairs[0].image, pairs[0].mask):
            shutil.copy(path, path.with_stem(stem))
    script = [ROOT / "scripts/train-on-gpu.sh", "pack", tmp_path / "drawn", tmp_path / "packed", "--side", "64"]
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    subprocess.run(list(map(str, script)), check=True, env=environment, cwd=ROOT)
    assert len(unpack(tmp_path / "packed", CPU)[0]) == 3


@pytest.mark.slow
def test_the_script_packs_and_trains(tmp_path):
    write_pairs(tmp_path / "drawn", 8)
    torch.manual_seed(1)
    DGRL(TRAINED).save_pretrained(tmp_path / "start")
    packing = ["-m", "dgrl.training.packed", "pack", "--side", "64"]
    folders = ["--images", tmp_path / "drawn/image", "--masks", tmp_path / "drawn/mask", "--out", tmp_path / "packed"]
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *packing, *folders], check=True, env=environment, cwd=ROOT)
    training = ["train", tmp_path / "packed", tmp_path / "run", "--max-updates", "10", "--batch-size", "2"]
    script = [ROOT / "scripts/train-on-gpu.sh", *training, "--weights", tmp_path / "start", "--minutes", "5"]
    subprocess.run(list(map(str, script)), check=True, env=environment, cwd=ROOT)
    before, after = (DGRL.from_pretrained(tmp_path / name).state_dict() for name in ("start", "run"))
    assert any(not torch.equal(value, after[name]) for name, value in before.items())
    bare = subprocess.run(
        [ROOT / "scripts/train-on-gpu.sh"], capture_output=True, text=True, env=environment, check=False
    )
    assert bare.returncode == 1
    assert "scripts/train-on-gpu.sh pack" in bare.stderr
