"""The model card of a run: its data, its recipe and its scores."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from dgrl.checkpoint import CARD_FILE
from dgrl.data.pairs import Pair
from dgrl.files import replacing
from dgrl.training.checkpoints import Progress
from dgrl.training.config import TrainingConfig
from dgrl.training.keeping import Kept
from dgrl.training.record import log_lines
from dgrl.words import counted


def write_card(
    out: Path,
    config: TrainingConfig,
    progress: Progress,
    pairs: Sequence[Pair],
    hold_out: Sequence[Pair],
    kept: Kept | None = None,
    kept_of_best: Kept | None = None,
) -> None:
    """Write the run's model card, `README.md`: its training data, its recipe and its scores.

    Args:
        out: the run's folder.
        config, progress, pairs, hold_out: the run's recipe, its progress and its pictures.
        kept, kept_of_best: the shares of their change that the network and that in `best/` keep, if they were chosen.
    """
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
        f"{counted(len(pairs), 'picture')} with masks of {'the folders' if len(folders) > 1 else 'the folder'} "
        f"{', '.join(folders)}; {counted(len(hold_out), 'hold-out picture')}.",
        "Name here whose pictures they are, and under which licence.",
        "",
        "## Recipe",
        "",
        "What differs from the defaults of `TrainingConfig`; `training.json` has all of it:",
        "",
        *(f"- `{name}`: {value}" for name, value in changed.items()),
        "",
        *([f"{kept.sentence()}.", ""] if kept else []),
        "## Scores",
        "",
        *_scores(out, kept, kept_of_best),
    ]
    with replacing(out / CARD_FILE) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _scores(out: Path, kept: Kept | None, kept_of_best: Kept | None) -> list[str]:
    """Return the scores of this network and of the best one as a Markdown table."""
    validations = [line for line in log_lines(out) if "validation" in line]
    if not validations:
        return ["There were no hold-out pictures: nothing was measured."]
    best = next((line for line in reversed(validations) if line["best"]), validations[-1])
    networks = [
        ("last, this one", validations[-1]["validation"], kept),
        (f"`best/`, update {best['update']}", best["validation"], kept_of_best),
    ]
    kinds = list(validations[-1]["validation"]["MAE"])
    rows = [f"| network | measure | {' | '.join(kinds)} |", "|---|---|" + "---|" * len(kinds)]
    for name, scores, share in networks:
        if share is not None and share.scores is not None:
            name, scores = f"{name}, {share.share:.0%} of the change", share.scores.as_json()
        for measure in ("MAE", "maxF"):
            values = scores[measure]
            rows.append(f"| {name} | {measure} | {' | '.join(f'{values[kind]:.4f}' for kind in kinds)} |")
    return [
        *rows,
        "",
        f"On {counted(validations[-1]['validation']['pictures'], 'hold-out picture')}; maps are not stretched.",
    ]
