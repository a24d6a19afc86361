"""`quality="high"`: the average over the photo and its mirror image."""

import numpy as np
import pytest
import torch

from dgrl import DGRL
from dgrl.data.pairs import find_pairs
from dgrl.evaluation.evaluate import evaluate
from dgrl.images import to_tensor
from dgrl.taps import Edit, Recorder, listening
from tests.helpers.networks import TINY, draw_photo, filled, write_pairs


@pytest.fixture(scope="module")
def model():
    return filled(DGRL(TINY)).eval()


@torch.inference_mode()
def test_each_step_is_the_average_of_the_photo_and_its_mirror_image(model):
    images = torch.rand(2, 3, 80, 60, generator=torch.Generator().manual_seed(0))
    high = model.localise(images, quality="high")
    plain, mirrored = model.localise(images), model.localise(images.flip(-1))
    for step, original, mirror_image in zip(high.steps, plain.steps, mirrored.steps, strict=True):
        torch.testing.assert_close(step.saliency, (original.saliency + mirror_image.saliency.flip(-1)) / 2)
        torch.testing.assert_close(step.logits.softmax(1)[:, 1:], step.saliency)
        for level, weights in step.weight_maps.items():
            torch.testing.assert_close(
                weights, (original.weight_maps[level] + mirror_image.weight_maps[level].flip(-1)) / 2
            )
    assert not torch.allclose(high.saliency, plain.saliency, atol=1e-4)


def test_detect_refines_the_average_which_mirroring_the_photo_mirrors(model):
    photo, _ = draw_photo(96, 96, seed=1)
    high = model.detect(photo, quality="high")
    with torch.inference_mode():
        images = to_tensor(photo)
        output = model(images, quality="high")
        prior = model.sizing.for_brn(images, model.localise(images, quality="high").saliency, model.config.brn_size)[1]
    np.testing.assert_array_equal(high, output.saliency[0, 0].numpy())
    torch.testing.assert_close(output.refined.prior, prior)
    assert not np.allclose(high, model.detect(photo), atol=1e-5)
    with torch.inference_mode():
        other = model.localise(to_tensor(np.ascontiguousarray(photo[:, ::-1])), quality="high")
    torch.testing.assert_close(other.saliency.flip(-1), output.localised.saliency, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_edits_hold_in_both_passes_where_the_photo_has_them(model):
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    left = torch.zeros(1, 1, 96, 96)
    left[..., :48] = 2
    edit = Edit(
        "rln.t*.conv*.weight_map", lambda weights: torch.nn.functional.adaptive_avg_pool2d(left, weights.shape[-2:])
    )
    with listening(Recorder((edit,))):
        output = model.localise(images, quality="high")
    for step in output.steps:
        for weights in step.weight_maps.values():
            torch.testing.assert_close(weights, torch.nn.functional.adaptive_avg_pool2d(left, weights.shape[-2:]))


def test_unknown_qualities_are_refused(model):
    with pytest.raises(ValueError, match="quality 'best' is unknown; there is normal and high"):
        model.detect(draw_photo(32, 32, seed=0)[0], quality="best")


def test_evaluation_measures_the_averages(model, tmp_path):
    write_pairs(tmp_path, 2)
    pairs = find_pairs(tmp_path / "image", tmp_path / "mask")
    high, normal = (evaluate(model, pairs, quality=quality, threads=1).rows for quality in ("high", "normal"))
    assert [row.kind for row in high] == [row.kind for row in normal]
    assert all(averaged.scores["MAE"] != single.scores["MAE"] for averaged, single in zip(high, normal, strict=True))


def test_the_commands_have_the_option(tmp_path, capsys, monkeypatch):
    from dgrl.cli import main

    folder, checkpoint = tmp_path / "data", tmp_path / "checkpoint"
    filled(DGRL(TINY)).save_pretrained(checkpoint)
    write_pairs(folder, 1)
    maps = {}
    for quality in ("normal", "high"):
        out = tmp_path / quality
        main(["detect", str(folder / "image"), "-o", str(out), "--weights", str(checkpoint), "--quality", quality])
        maps[quality] = (out / "000.png").read_bytes()
    assert maps["normal"] != maps["high"]
    pairs = ["--images", str(folder / "image"), "--masks", str(folder / "mask"), "--weights", str(checkpoint)]
    tables = []
    for quality in ("normal", "high"):
        capsys.readouterr()
        main(["evaluate", *pairs, "--quality", quality, "--threads", "1"])
        tables.append(capsys.readouterr().out)
    assert tables[0] != tables[1]
