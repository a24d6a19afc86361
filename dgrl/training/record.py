"""What a run's folder says about the run: what it began with, and the model card at its end."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dgrl.checkpoint import CARD_FILE
from dgrl.data.pairs import Pair
from dgrl.files import replacing
from dgrl.training.checkpoints import Progress
from dgrl.training.config import TrainingConfig
from dgrl.training.watching import LOG_FILE, whole_lines

RECORD_FILE = "recipe.json"
HOLD_OUT_FILE = "hold_out.txt"
"""Names of the hold-out pictures, if there are any, a line each."""
FREE = {"workers", "checkpoint_every", "keep", "pictures_every"}
"""Settings that do not change what is learned."""


def compare_run(
    out: Path, config: TrainingConfig, pairs: Sequence[Pair], hold_out: Sequence[Pair], resume: bool, write: bool
) -> list[str]:
    """Write down what a run begins with; of a resumed one, what differs from then, a sentence each.

    Args:
        out: the run's folder.
        config, pairs, hold_out: what it trains with now.
        resume: whether it goes on.
        write: whether this process may write.
    """
    path = out / RECORD_FILE
    now: dict[str, Any] = {
        "recipe": dataclasses.asdict(config),
        "pictures": len(pairs),
        "names": _digest(pairs),
        "hold_out": len(hold_out),
        "hold_out_names": _digest(hold_out),
    }
    if not (resume and path.is_file()):
        if write:
            with replacing(path) as partial:
                partial.write_text(json.dumps(now, indent=2), encoding="utf-8")
            (out / HOLD_OUT_FILE).unlink(missing_ok=True)
            if hold_out:
                with replacing(out / HOLD_OUT_FILE) as partial:
                    partial.write_text("".join(f"{pair.image.name}\n" for pair in hold_out), encoding="utf-8")
        return []
    then: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    changed = [
        f"{name} {then['recipe'].get(name)!r} then, {value!r} now"
        for name, value in now["recipe"].items()
        if name not in FREE and then["recipe"].get(name, value) != value
    ]
    lines = [f"The recipe differs from the one that the run began with: {'; '.join(changed)}"] if changed else []
    for key, words in (("", "pictures to train with"), ("hold_out_", "hold-out pictures")):
        count = key.rstrip("_") or "pictures"
        if now[f"{key}names"] != then[f"{key}names"]:
            lines.append(f"The list of {words} has changed: {then[count]} then, {now[count]} now")
    return lines


def _digest(pairs: Sequence[Pair]) -> str:
    """Return a digest of the names, which is the same for any place of the files."""
    return hashlib.sha256("\n".join(pair.stem for pair in pairs).encode()).hexdigest()[:16]


def write_card(
    out: Path, config: TrainingConfig, progress: Progress, pairs: Sequence[Pair], hold_out: Sequence[Pair]
) -> None:
    """Write the run's model card, `README.md`: its training data, its recipe and its scores."""
    folders = sorted({str(pair.image.parent.name or pair.image.parent) for pair in pairs})
    changed = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
    lines = [
        "---",
        "library_name: dgrl",
        "pipeline_tag: image-segmentation",
        "tags: [salient-object-detection, saliency]",
        "---",
        "",
        f"# {out.resolve().name}",
        "",
        f"A DGRL network whose stage `{config.stage}` was trained for {progress.update} of {progress.total} updates, "
        f"{progress.seconds / 60:.1f} minutes.",
        *([f"It ended early: {progress.ended}."] if progress.ended else []),
        "",
        "## Data",
        "",
        f"{len(pairs)} pictures with masks of the folders {', '.join(folders)}; {len(hold_out)} hold-out pictures.",
        "Name here whose pictures they are, and under which licence.",
        "",
        "## Recipe",
        "",
        "What differs from the defaults of `TrainingConfig`; `recipe.json` has all of it:",
        "",
        *(f"- `{name}`: {value}" for name, value in changed.items()),
        "",
        "## Scores",
        "",
        *_scores(out),
    ]
    with replacing(out / CARD_FILE) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _scores(out: Path) -> list[str]:
    """Return the last and the best validation as a Markdown table."""
    validations = [line for line in log_lines(out) if "validation" in line]
    if not validations:
        return ["There were no hold-out pictures: nothing was measured."]
    best = next((line for line in reversed(validations) if line["best"]), validations[-1])
    kinds = list(validations[-1]["validation"]["MAE"])
    rows = [f"| network | measure | {' | '.join(kinds)} |", "|---|---|" + "---|" * len(kinds)]
    for name, line in (("last, this one", validations[-1]), (f"`best/`, update {best['update']}", best)):
        for measure in ("MAE", "maxF"):
            values = line["validation"][measure]
            rows.append(f"| {name} | {measure} | {' | '.join(f'{values[kind]:.4f}' for kind in kinds)} |")
    return [*rows, "", f"On {validations[-1]['validation']['pictures']} hold-out pictures; maps are not stretched."]


def log_lines(out: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a run's log; none if it has no log yet."""
    return [json.loads(line) for line in whole_lines(out / LOG_FILE)]
