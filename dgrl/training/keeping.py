"""How much of its change a fine-tuned network keeps, chosen by what the change gains and what it costs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import REFINED
from dgrl.files import EXAMPLES
from dgrl.model import DGRL
from dgrl.training.checkpoints import Progress
from dgrl.training.kept_out import changed_by, errors, keep_change, percent, weights_of
from dgrl.training.validation import BEST_FOLDER, Scores, save_best, validate
from dgrl.training.watching import evaluating
from dgrl.words import counted

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
LIMIT = 0.006
"""So far, of 0 to 1, the maps of the example photos may move on average.

Up to this movement, twenty drawn discs raise the error of RLN's last map on validation pictures of DUTS-TR by less than
`MOST_LOST`. `python -m benchmarks.finetune DUTS-TR --elsewhere LIST --pictures 20 --shares 1 0.8 0.6 0.5` prints both.
"""
MOST_LOST = 0.02
"""By this share the error of pictures of other kinds may rise, if such pictures are named."""
LEAST_GAIN = 0.1
"""A hold-out error that falls by less than this share may be chance: the network then stays as it was.

After 40 pictures of ECSSD, the best of ten networks was 5 % better on four hold-out pictures, and 2 % worse on others.
"""
PHOTOS = 8
KEPT = "Kept "
"""The sentence about the chosen share begins so."""


@dataclass(frozen=True)
class Cost:
    """What a share costs on other pictures.

    Attributes:
        amount: how far the example photos' maps move, in [0, 1], or by which share the error of named pictures rises.
        most: the largest amount that is accepted.
        words: the same as part of a sentence.
    """

    amount: float
    most: float
    words: str


@dataclass(frozen=True)
class Kept:
    """The share that was chosen.

    Attributes:
        share: of the change; 0 where no share lowers the hold-out error by `LEAST_GAIN`.
        kind: the map whose error decides.
        before, after: the hold-out error with nothing and with this share kept; None without hold-out pictures.
        cost: what the share costs on other pictures.
        scores: all hold-out scores with this share; None without hold-out pictures.
    """

    share: float
    kind: str
    before: float | None
    after: float | None
    cost: Cost
    scores: Scores | None = None

    def sentence(self) -> str:
        """Describe the share, what it changes, and the setting for another share."""
        if self.before is None or self.after is None:
            gain = "no hold-out pictures to choose it by"
        elif not self.share:
            error = f"the hold-out MAE of {self.kind}, {self.before:.4f}"
            gain = f"no share that may be kept lowers {error}, by {LEAST_GAIN:.0%}"
        else:
            gain = (
                f"hold-out MAE of {self.kind} {self.before:.4f} → {self.after:.4f} ({percent(self.before, self.after)})"
            )
        return f"{KEPT}{self.share:.0%} of the change: {gain}; {self.cost.words}; kept_change sets another share"


class Elsewhere:
    """Pictures of other kinds, by which a change is judged.

    Args:
        model: the network before the change.
        pairs: pictures and masks; without them the maps that `model` gives the example photos are the targets.
        kind: the map that is judged beside the refined one.
    """

    def __init__(self, model: DGRL, pairs: Sequence[Pair], kind: str) -> None:
        photos = [] if pairs else sorted(EXAMPLES.glob("*.jpg"))
        self.photos = photos[:: max(1, len(photos) // PHOTOS)][:PHOTOS]
        self.targets = [model.detect(photo) for photo in self.photos]
        self.pairs = pairs
        before = errors(model, pairs) if pairs else {}
        self.before = {name: before[name] for name in dict.fromkeys((kind, REFINED)) if name in before}

    def cost(self, model: DGRL) -> Cost:
        """Return what the changed network costs."""
        if not self.pairs:
            maps = [model.detect(photo) for photo in self.photos]
            moved = [float(np.abs(now - was).mean()) for now, was in zip(maps, self.targets, strict=True)]
            mean = float(np.mean(moved)) if moved else 0.0
            return Cost(
                mean, LIMIT, f"maps of {counted(len(moved), 'example photo')} move by {mean:.4f} (at most {LIMIT})"
            )
        after = errors(model, self.pairs)
        changes = ", ".join(
            f"{kind} {old:.4f} → {after[kind]:.4f} ({percent(old, after[kind])})" for kind, old in self.before.items()
        )
        lost = max(after[kind] / old - 1 if old else float(after[kind] > 0) for kind, old in self.before.items())
        return Cost(lost, MOST_LOST, f"MAE elsewhere of {changes}; at most {100 * MOST_LOST:+.0f} % is accepted")


def choose_share(
    model: DGRL, start: Mapping[str, Tensor], hold_out: Sequence[Pair], kind: str, elsewhere: Sequence[Pair] = ()
) -> Kept:
    """Return the share of the change with the lowest hold-out error among those that cost little elsewhere.

    A share costs little if the errors of `elsewhere` rise by at most `MOST_LOST`. Without these pictures it costs
    little if the maps of the example photos move by at most `LIMIT`. Without hold-out pictures the largest such share
    is taken.

    Args:
        model: the network after training; it stays so.
        start: its weights before.
        hold_out: pictures of the new kind that were not trained with.
        kind: the map whose error decides.
        elsewhere: pictures of other kinds.
    """

    def measured(share: float, before: float | None) -> Kept:
        with changed_by(model, start, share):
            cost = others.cost(model)
            scores = validate(model, hold_out) if hold_out and cost.amount <= cost.most else None
        after = scores.mae[kind] if scores else None
        return Kept(share, kind, after if before is None else before, after, cost, scores)

    with evaluating(model):
        with changed_by(model, start, 0.0):
            others = Elsewhere(model, elsewhere, kind)
        nothing = measured(0.0, None)
        return best_of((measured(share, nothing.before) for share in SHARES), nothing)


def best_of(found: Iterable[Kept], nothing: Kept) -> Kept:
    """Return the best of the shares, which are measured as they are needed, from the largest on: see `choose_share`.

    The search ends where the hold-out error rises again.
    """
    best = nothing
    for one in found:
        if one.cost.amount > one.cost.most:
            continue
        if one.after is None or nothing.after is None:
            return one
        if best.after is not None and best is not nothing and one.after >= best.after:
            break
        best = one
    gained = best.after is not None and nothing.after is not None and best.after <= (1 - LEAST_GAIN) * nothing.after
    return best if gained else nothing


def kept_of_best(
    model: DGRL, start: Mapping[str, Tensor], out: Path, progress: Progress, last: Kept, choose: Callable[[], Kept]
) -> Kept:
    """Let the network in `best/`, which was written with all of its change, keep a share too; returns the share.

    Args:
        model: the network after the last update; it stays so.
        start: its weights before training.
        out: the run's folder.
        progress: says of which update `best/` is.
        last: what was chosen for `model`.
        choose: chooses a share for `model` as it is.
    """
    now = weights_of(model)
    kept = last
    if progress.best_update != progress.update:
        model.load_state_dict(DGRL.from_pretrained(out / BEST_FOLDER).state_dict())
        kept = choose()
    keep_change(model, start, kept.share)
    if kept.scores is not None:
        save_best(model, out, kept.scores, progress, kept.sentence())
    model.load_state_dict(now)
    return kept
