"""Evaluate a run's best network: `dgrl evaluate` in another process, on the run's hold-out pictures or on others."""

import html
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dgrl.training.checkpoints import TrainingError
from dgrl.training.record import HOLD_OUT_FILE, RUN_FILE
from dgrl.training.validation import BEST_FOLDER


def kept_weights(out: Path) -> Path:
    """Return the folder of the run's best network, or of its last one where nothing was validated.

    Raises:
        TrainingError: the run has left neither yet.
    """
    for folder in (out / BEST_FOLDER, out):
        if (folder / "model.safetensors").is_file():
            return folder
    raise TrainingError(f"{out} holds no network yet: the first validation leaves one in {BEST_FOLDER}/")


def evaluation_arguments(out: Path, images: Path | None = None, masks: Path | None = None) -> list[str]:
    """Return the arguments of `dgrl evaluate` for what the run keeps; maps are not stretched, as in validations.

    Args:
        out: the run's folder.
        images, masks: folders of pictures and masks; by default the run's hold-out pictures.

    Raises:
        TrainingError: there is no network yet, no hold-out pictures, or only one of the folders.
    """
    arguments = ["--weights", str(kept_weights(out)), "--no-stretch"]
    if images is not None and masks is not None:
        return ["--images", str(images), "--masks", str(masks), *arguments]
    if images is not None or masks is not None:
        raise TrainingError("name a folder of pictures and one of masks to evaluate on, or neither")
    names = out / HOLD_OUT_FILE
    if not names.is_file():
        raise TrainingError(f"this run has no hold-out pictures ({HOLD_OUT_FILE}): name folders to evaluate on")
    try:
        settings = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{out / RUN_FILE} does not say where the pictures are: name folders") from error
    if "hold_out_pairs" in settings:  # Python started it
        rows = settings["hold_out_pairs"]
        folders = list(dict.fromkeys((str(Path(row[0]).parent), str(Path(row[1]).parent)) for row in rows))
    else:
        folders = list(zip(settings["images"], settings["masks"], strict=True))
    for images_and_masks in folders:
        arguments += ["--images", images_and_masks[0], "--masks", images_and_masks[1]]
    for word in settings.get("data", ()):
        arguments += ["--data", word]
    return [*arguments, "--only", str(names), *(["--skip-bad"] if settings.get("skip_bad") else [])]


def run_evaluation(arguments: Sequence[str]) -> dict[str, Any]:
    """Run `dgrl evaluate` as a process and return what its `--json` holds.

    Raises:
        TrainingError: it failed; the message is its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        json_file = Path(folder, "scores.json")
        command = [sys.executable, "-m", "dgrl", "evaluate", *arguments, "--json", str(json_file)]
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if not json_file.is_file():
            lines = process.stderr.strip().splitlines() or [f"dgrl evaluate ended with exit code {process.returncode}"]
            raise TrainingError(lines[-1].removeprefix("dgrl: "))
        summary: dict[str, Any] = json.loads(json_file.read_text(encoding="utf-8"))
        return summary


def scores_table(summary: Mapping[str, Any], caption: str) -> str:
    """Return the scores of an evaluation as an HTML table: a row per map, a column per metric."""
    scores = summary["scores"]
    metrics = list(next(iter(scores.values())))
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("map", *metrics))
    rows = ""
    for kind, values in scores.items():
        cells = "".join(f"<td>{values[name]:.4f}</td>" for name in metrics)
        rows += f'<tr><th scope="row">{html.escape(kind)}</th>{cells}</tr>'
    return f"<table><caption>{html.escape(caption)}</caption><tr>{heads}</tr>{rows}</table>"
