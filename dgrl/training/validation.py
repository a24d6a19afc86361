"""Scores of hold-out pictures while a run trains: they choose the network in `best/`, and may end the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import REFINED, concentration, run
from dgrl.evaluation.metrics import BETA
from dgrl.extras import load_pysodmetrics
from dgrl.model import DGRL
from dgrl.training.checkpoints import Progress, TrainingError, replacing_folder
from dgrl.training.watching import evaluating

BEST_FOLDER = "best"
DEFAULT_SHARE, LEAST_PICTURES = 0.1, 20
"""Default share of the pictures that is held out, and the smallest number of pictures for it."""
MOST = 100
"""Largest number of hold-out pictures that are measured, evenly spaced."""


@dataclass(frozen=True)
class Scores:
    """The result of a validation; maps are not stretched.

    Attributes:
        pictures: how many were measured.
        mae: mean absolute error by map: "t0", "t1", … and "refined" after BRN.
        max_f: maximum over thresholds of the mean F-measure (β² = 0.3), likewise.
        attention: mass of the weight maps on the object, times chance, mean over levels, by "t0", "t1", …
    """

    pictures: int
    mae: dict[str, float]
    max_f: dict[str, float]
    attention: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the errors for the log, rounded to five digits."""
        return {
            "pictures": self.pictures,
            "MAE": {kind: round(value, 5) for kind, value in self.mae.items()},
            "maxF": {kind: round(value, 5) for kind, value in self.max_f.items()},
            "attention": {step: round(value, 4) for step, value in self.attention.items()},
        }

    def sentence(self) -> str:
        """Return the errors as a line of text."""
        return f"hold-out MAE {', '.join(f'{kind} {value:.4f}' for kind, value in self.mae.items())}"


def validate(model: DGRL, pairs: Sequence[Pair], most: int = MOST) -> Scores:
    """Measure the network on hold-out pictures; it is left in the mode it was in."""
    py_sod_metrics = load_pysodmetrics()
    errors: dict[str, list[float]] = {}
    curves: dict[str, Any] = {}
    attention: dict[str, list[float]] = {}
    chosen = pairs[:: -(-len(pairs) // most)]
    with evaluating(model):
        for pair in chosen:
            truth = pair.truth()
            localised, maps = run(model, pair, None, refine=True)
            for kind, values in maps.items():
                saliency = values[0, 0].cpu().numpy()
                errors.setdefault(kind, []).append(float(np.abs(saliency - truth).mean()))
                if kind not in curves:
                    handler = py_sod_metrics.FmeasureHandler(with_dynamic=True, with_adaptive=False, beta=BETA)
                    curves[kind] = py_sod_metrics.FmeasureV2({"F": handler})
                curves[kind].step(np.nan_to_num(saliency.astype(np.float64)), truth.astype(bool), normalize=False)
            for t, step in enumerate(localised.steps):
                if step.weight_maps:
                    shares = [concentration(weights.float(), truth) for weights in step.weight_maps.values()]
                    attention.setdefault(f"t{t}", []).append(float(np.mean(shares)))
    return Scores(
        pictures=len(chosen),
        mae={kind: float(np.mean(values)) for kind, values in errors.items()},
        max_f={kind: float(one.get_results()["F"]["dynamic"].max()) for kind, one in curves.items()},
        attention={step: float(np.mean(values)) for step, values in attention.items()},
    )


def hold_out_share(pairs: Sequence[Pair], share: float | None, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Split pairs at random into those to train with and those to validate by; both stay in order.

    Args:
        pairs: all of them.
        share: the share to hold out; None for 10 % where there are at least 20 pictures; 0 for none.
        seed: the run's; the split depends only on it.

    Raises:
        TrainingError: the share leaves nothing to train with, or is not from 0 to below 1.
    """
    if share is None:
        share = DEFAULT_SHARE if len(pairs) >= LEAST_PICTURES else 0.0
    if not 0 <= share < 1:
        raise TrainingError(f"the share of hold-out pictures must be from 0 to below 1, not {share}")
    count = max(1, round(share * len(pairs))) if share else 0
    if count and count >= len(pairs):
        raise TrainingError(f"holding out {share:g} of {len(pairs)} pictures leaves none to train with")
    # Not torch's: its global state belongs to the run.
    held = set(np.random.RandomState(seed % 2**32).permutation(len(pairs))[:count].tolist())
    both = [[pair for i, pair in enumerate(pairs) if (i in held) == out] for out in (False, True)]
    return both[0], both[1]


def judged_map(stage: str, steps: int) -> str:
    """Return the map whose error decides which network is the best."""
    return f"t{steps}" if stage == "rln" else REFINED


def note_scores(progress: Progress, scores: Scores, kind: str) -> bool:
    """Take a validation into account; whether it is the best so far.

    Raises:
        TrainingError: the error is not finite.
    """
    error = scores.mae[kind]
    if not np.isfinite(error):
        raise TrainingError(f"the hold-out error is {error} after update {progress.update}; lower learning_rate")
    progress.validations += 1
    if progress.best is not None and error >= progress.best:
        return False
    progress.best, progress.best_update, progress.best_validation = error, progress.update, progress.validations
    return True


def save_best(model: DGRL, out: Path, scores: Scores, progress: Progress, note: str = "") -> None:
    """Replace `best/` by the network as it is; the folder is whole or not there.

    Args:
        model: the network.
        out: the run's folder.
        scores: its hold-out scores.
        progress: says of which update it is.
        note: a sentence for its card.
    """
    card = f"# The best network of this run\n\nUpdate {progress.best_update}: {scores.sentence()}.\n"
    card += f"\n{note}.\n" if note else ""
    try:
        with replacing_folder(out / BEST_FOLDER) as partial:
            model.save_pretrained(partial)
            (partial / "README.md").write_text(card, encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"the best network cannot be written to {out / BEST_FOLDER}: {error}") from error
