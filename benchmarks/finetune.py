"""Measure what the `finetune` preset gains and costs: `python -m benchmarks.finetune DATA [--kind PREFIX …]`.

DATA holds `image` and `mask`. A kind is all pictures whose names start with a prefix, or "drawn" (`dgrl.data.drawn`).
Some pictures of each kind are for training; others of the kind, and pictures of other kinds, are for measuring. Prints
a Markdown table: by how much the error of every map changes. The network keeps the share of its change that the preset
chooses, or each of `--shares` in turn; then the table says how far the maps of the example photos move.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.timing import table
from dgrl.commands.common import load_model
from dgrl.data.drawn import drawn_discs
from dgrl.data.names import find_names, read_names
from dgrl.data.pairs import Pair, find_pairs
from dgrl.evaluation.evaluate import REFINED
from dgrl.model import DGRL
from dgrl.training.config import TrainingConfig, preset
from dgrl.training.keeping import Elsewhere
from dgrl.training.kept_out import changed_by, errors, percent, weights_of
from dgrl.training.loop import train

DRAWN = "drawn"


def split(pairs: list[Pair], count: int, held_out: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Draw pairs to train with and other pairs to measure on."""
    order = np.random.RandomState(seed).permutation(len(pairs))
    return [pairs[i] for i in order[:count]], [pairs[i] for i in order[count : count + held_out]]


def tune(
    model: DGRL, pairs: list[Pair], out: Path, recipe: TrainingConfig, shares: list[float] | None
) -> Iterator[str]:
    """Fine-tune the network, and yield a name whenever it is to be measured: once, or with each share of its change."""
    if shares is None:
        train(model, pairs, out, recipe)
        yield "chosen"
        return
    start = weights_of(model)
    elsewhere = Elsewhere(model, [], REFINED)
    train(model, pairs, out, recipe, kept_change=1.0, hold_out=0)
    for share in shares:
        with changed_by(model, start, share):
            yield f"{share:.0%}: {elsewhere.cost(model).words}"


def main() -> None:
    """Fine-tune the checkpoint on each kind and each number of pictures, and print what that changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--kind", nargs="+", default=[DRAWN], help='beginnings of names, or "drawn"')
    parser.add_argument("--pictures", type=int, nargs="+", default=[20, 50], help="how many to train with")
    parser.add_argument("--held-out", type=int, default=30, help="how many of the kind to measure by")
    parser.add_argument("--elsewhere", type=Path, help="list of names of other pictures; by default those of no kind")
    parser.add_argument("--elsewhere-count", type=int, default=60, help="how many of these, evenly spaced")
    parser.add_argument("--weights", help="folder of weights; default: shipped")
    parser.add_argument("--shares", type=float, nargs="+", help="of the change to keep; by default the preset chooses")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    all_pairs = find_pairs(options.data / "image", options.data / "mask")
    stems = {pair.stem for pair in all_pairs}
    chosen_stems = find_names(read_names([options.elsewhere]), stems)[0] if options.elsewhere else stems
    other_pairs = [
        pair for pair in all_pairs if pair.stem in chosen_stems and not pair.stem.startswith(tuple(options.kind))
    ]
    other_pairs = other_pairs[:: max(1, len(other_pairs) // options.elsewhere_count)][: options.elsewhere_count]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kind:
            picture_count = max(options.pictures) + options.held_out
            of_kind = [pair for pair in all_pairs if pair.stem.startswith(kind) and pair not in other_pairs]
            of_kind = drawn_discs(Path(folder) / DRAWN, picture_count) if kind == DRAWN else of_kind
            for count in options.pictures:
                training, held_out = split(of_kind, count, options.held_out, options.seed)
                model, _ = load_model(options.weights, precision="fp32")
                before = [errors(model, pairs) for pairs in (held_out, other_pairs)]
                recipe = preset("finetune", "rln", seed=options.seed, workers=0)
                for name in tune(model, training, Path(folder) / f"{kind}-{count}", recipe, options.shares):
                    after = [errors(model, pairs) for pairs in (held_out, other_pairs)]
                    for measured_on, old, new in zip(("held out", "elsewhere"), before, after, strict=True):
                        changes = [
                            f"{old[kind]:.4f} → {new[kind]:.4f} ({percent(old[kind], new[kind])})" for kind in old
                        ]
                        rows.append([kind, str(count), name, measured_on, *changes])
                    print(rows[-2:], flush=True)
    print("\n" + table(["kind", "pictures", "kept", "measured on", *before[0]], rows))


if __name__ == "__main__":
    main()
