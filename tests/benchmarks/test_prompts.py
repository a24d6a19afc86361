"""The table of prompts names the kind of picture and the prompt of each row."""

import sys

from PIL import Image

from benchmarks import prompts
from dgrl import DGRL
from tests.helpers.networks import TINY, draw_photo, filled


def test_rows_are_named(tmp_path, monkeypatch, capsys):
    for name in ("image", "mask"):
        (tmp_path / name).mkdir()
    for seed in range(2):
        photo, mask = draw_photo(90, 120, seed=seed)
        Image.fromarray(photo).save(tmp_path / "image" / f"{seed}.jpg")
        Image.fromarray(mask).save(tmp_path / "mask" / f"{seed}.png")
    filled(DGRL(TINY)).save_pretrained(tmp_path / "tiny")
    arguments = [str(tmp_path), "--weights", str(tmp_path / "tiny"), "--count", "0"]
    monkeypatch.setattr(sys, "argv", ["prompts", *arguments])
    prompts.main()
    table = capsys.readouterr().out
    for kind in ("side by side", "pasted at a third of its size"):
        for prompt in prompts.PROMPTS:
            assert f"| {kind} | {prompt} |" in table
