"""What each part of the network does: `python -m benchmarks.parts DATA [--weights W] [--only LIST] [--count N]`.

DATA holds `image` and `mask`. Parts are taken away or altered one at a time, and the error of the result is measured,
in the whole picture and within 3 pixels of the true contour. The effects of the ten experiments (`dgrl.experiments`)
are measured on the same pictures. Prints Markdown tables; `--json FILE` writes what the experiments quote.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import table
from dgrl.attribution.attribute import attribute
from dgrl.commands.common import load_model
from dgrl.data.names import find_names, read_names
from dgrl.data.pairs import Pair, find_pairs
from dgrl.evaluation.metrics import contour_band
from dgrl.experiments import BY_KEY, EXPERIMENTS, Passes, Sizes, Spread
from dgrl.experiments.effects import Numbers, explained_cell
from dgrl.images import as_float, read_image, to_tensor
from dgrl.model import DGRL
from dgrl.network.rln import LEVELS, RLNStep
from dgrl.taps import Edit, Recorder, flatten_map, listening, mean_kernels, scale_feedback
from dgrl.training.losses import mask_as_map

BLOCKS = ("conv2", "conv3", "conv4", "conv5")
LONGEST = 4
"""The largest T that is tried."""
SPREAD = 0.1
"""Share of the mass of a given map that lies evenly over the picture."""
EDGE = 0.1, 0.9
"""Kernels are looked at where RLN's map lies between these."""


@dataclass(frozen=True)
class Variant:
    """A pass that differs from the usual one; `refine` off takes RLN's last map as the result."""

    name: str
    edits: tuple[Edit, ...] = ()
    steps: int | None = None
    refine: bool = True


@dataclass
class Errors:
    """Mean absolute errors of one variant, a value per picture."""

    whole: list[float] = field(default_factory=list)
    edge: list[float] = field(default_factory=list)


def variants() -> Iterator[Variant]:
    """The usual pass first."""
    yield Variant("as it is")
    for level in LEVELS:
        yield Variant(f"weight maps flat, {level}", (flatten_map(level),))
    yield Variant("weight maps flat, all", (flatten_map("*"),))
    for block in BLOCKS:
        yield Variant(f"feedback cut, {block}", (scale_feedback(block, 0.0),))
    yield Variant("feedback cut, all", (scale_feedback("*", 0.0),))
    for steps in range(LONGEST + 1):
        yield Variant(f"T = {steps}", steps=steps)
    yield Variant("prior rounded", (Edit("brn.prior", torch.round),))
    yield Variant("one mean kernel", (mean_kernels(),))
    yield Variant("no BRN", refine=False)


Made = dict[tuple[Edit, ...], list[RLNStep]]
"""RLN's steps over one picture by the edits of RLN: what alters BRN, or T alone, needs no pass of its own."""


@torch.inference_mode()
def result(model: DGRL, images: Tensor, variant: Variant, refine: bool, made: Made) -> NDArray[np.float32]:
    """The last map of a pass over images (1, 3, H, W), in their size."""
    height, width = images.shape[-2:]
    edits = tuple(edit for edit in variant.edits if edit.tap.startswith("rln."))
    if edits not in made:
        with listening(Recorder(edits)):
            made[edits] = model.localise(images, None if edits else LONGEST).steps
    saliency = made[edits][model.config.steps if variant.steps is None else variant.steps].saliency
    if refine and variant.refine:
        with listening(Recorder([edit for edit in variant.edits if edit not in edits])):
            return model.sizing.refined(model.refine(images, saliency).refined, height, width)[0, 0].numpy()
    return model.sizing.localised(saliency, height, width)[0, 0].numpy()


def measure_variants(model: DGRL, pairs: Sequence[Pair], refine: bool) -> dict[str, Errors]:
    """Errors by variant. With no BRN nothing is refined, and what alters BRN is left out."""
    errors: dict[str, Errors] = {}
    for pair in pairs:
        images, truth = to_tensor(read_image(pair.image)), pair.truth()
        band = contour_band(truth)
        made: Made = {}
        for variant in variants():
            if not refine and any(edit.tap.startswith("brn") for edit in variant.edits):
                continue
            difference = np.abs(result(model, images, variant, refine, made) - truth)
            of_variant = errors.setdefault(variant.name, Errors())
            of_variant.whole.append(float(difference.mean()))
            of_variant.edge.append(float(difference[band].mean()) if band.any() else 0.0)
    return errors


@dataclass
class Selectivity:
    """Mean saliency of RLN's last map on the named and on the other object, a value per picture."""

    named: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)


@torch.inference_mode()
def measure_selectivity(model: DGRL, pairs: Sequence[Pair]) -> dict[str, Selectivity]:
    """What is found in two photos side by side when CWM's maps look at the object of one of them."""
    size = model.config.rln_size
    cut = scale_feedback("*", 0.0)
    found: dict[str, Selectivity] = {}
    for left, right in itertools.pairwise(pairs):
        images = torch.cat([at_half(to_tensor(read_image(pair.image)), size) for pair in (left, right)], 3)
        masks = [at_half(torch.from_numpy(pair.truth())[None, None].float(), size) > 0.5 for pair in (left, right)]
        sides = [F.pad(mask, pad) for mask, pad in zip(masks, ([0, size // 2], [size // 2, 0]), strict=True)]
        for named, other in (sides, sides[::-1]):
            if not (named.any() and other.any()):
                continue
            every, first = (given_map(named.float(), steps) for steps in ("*", "0"))
            ways = {"no map given": (), "the maps of every step": (every,), "those of t = 0 alone": (first,)}
            ways["those of t = 0, all feedback cut"] = (first, cut)
            for way, edits in ways.items():
                with listening(Recorder(edits)):
                    saliency = model.rln(images).saliency
                of_way = found.setdefault(way, Selectivity())
                of_way.named.append(float(saliency[named].mean()))
                of_way.other.append(float(saliency[other].mean()))
    return found


def at_half(maps: Tensor, size: int) -> Tensor:
    """(1, C, H, W) as the left or right half of a square of side `size`."""
    return F.interpolate(as_float(maps), (size, size // 2), mode="bilinear", antialias=True)


def given_map(mask: Tensor, steps: str) -> Edit:
    """Gives every level's map at `steps` ("*" for all) the object of a mask (1, 1, S, S) to look at."""
    return Edit(f"rln.t{steps}.conv*.weight_map", lambda weights: mask_as_map(mask, weights.shape[-2:], SPREAD))


def measure_maps(model: DGRL, pairs: Sequence[Pair]) -> list[list[str]]:
    """Rows: level, and the mean correlation of its map with that of the step before, for each step."""
    correlations: dict[tuple[str, int], list[float]] = {}
    with torch.inference_mode():
        for pair in pairs:
            steps = model.localise(to_tensor(read_image(pair.image))).steps
            for t, (before, after) in enumerate(itertools.pairwise(steps), start=1):
                for level in LEVELS:
                    maps = torch.stack([step.weight_maps[level].flatten() for step in (before, after)])
                    correlations.setdefault((level, t), []).append(float(torch.corrcoef(maps)[0, 1]))
    return [
        [level, *(f"{np.mean(correlations[level, t]):.2f}" for t in range(1, model.config.steps + 1))]
        for level in LEVELS
    ]


def first_moments(model: DGRL, pairs: Sequence[Pair]) -> float:
    """Median over pixels near the edge of how far, in pixels, a kernel's centre of mass lies from its pixel."""
    moments = []
    for pair in pairs:
        trace = model.trace(pair.image)
        saliency = torch.from_numpy(trace.steps[-1].saliency)[None, None]
        saliency = F.interpolate(saliency, trace.refined.shape, mode="bilinear")[0, 0].numpy()
        field_of_kernels = trace.kernel_field
        near_edge = (saliency > EDGE[0]) & (saliency < EDGE[1])
        moments.append(np.hypot(field_of_kernels.shift_x, field_of_kernels.shift_y)[near_edge])
    return float(np.median(np.concatenate(moments)))


def measure_experiments(model: DGRL, pairs: Sequence[Pair], refine: bool) -> dict[str, dict[str, Spread]]:
    """The numbers of each experiment over the pictures; those that paint are measured on two photos side by side."""
    found: dict[str, list[Numbers]] = {}

    def look(passes: Passes, painting: bool) -> None:
        for experiment in EXPERIMENTS:
            if (experiment.painted is not None) == painting and (refine or not experiment.refines):
                numbers = experiment.measure(passes)
                if numbers is not None:
                    found.setdefault(experiment.key, []).append(numbers)

    for pair in pairs:
        look(Passes(model, pair.image), painting=False)
    for left, right in itertools.pairwise(pairs):
        photo, *objects = side_by_side(left, right, model.config.rln_size)
        for painted, other in (objects, objects[::-1]):
            look(Passes(model, photo, painted, other), painting=True)
    return {
        key: {name: Spread.of([n[name] for n in of], keep=name == "effect") for name in of[0]}
        for key, of in found.items()
    }


def side_by_side(left: Pair, right: Pair, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Two photos as the halves of a square (size, size, 3), and the object of each in it (size, size)."""
    halves = [at_half(to_tensor(read_image(pair.image)), size) for pair in (left, right)]
    photo = (torch.cat(halves, 3)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    masks = [
        at_half(torch.from_numpy(pair.truth())[None, None].float(), size)[0, 0].numpy() > 0.5 for pair in (left, right)
    ]
    empty = np.zeros_like(masks[0])
    return photo, np.hstack([masks[0], empty]), np.hstack([empty, masks[1]])


def print_tables(model: DGRL, pairs: Sequence[Pair], refine: bool, data: str = "") -> Sizes:
    """Everything, as Markdown; and what the experiments quote of it."""
    errors = measure_variants(model, pairs, refine)
    usual = next(iter(errors.values()))
    times = {
        name: {"error": np.mean(e.whole) / np.mean(usual.whole), "edge": np.mean(e.edge) / np.mean(usual.edge)}
        for name, e in errors.items()
    }
    rows = [
        [name, *itertools.chain(*(of_kind(one, base) for one, base in ((e.whole, usual.whole), (e.edge, usual.edge))))]
        for name, e in errors.items()
    ]
    print(table(["variant", "error", "times", "error at the edge", "times"], rows))
    if model.config.context:
        found = measure_selectivity(model, pairs)
        rows = [[way, f"{np.mean(s.named):.2f}", f"{np.mean(s.other):.2f}"] for way, s in found.items()]
        print("\n" + table(["two photos side by side", "named object", "other object"], rows))
        steps = [f"t = {t}" for t in range(1, model.config.steps + 1)]
        print("\n" + table(["correlation with the step before", *steps], measure_maps(model, pairs)))
    if refine:
        moment = first_moments(model, pairs)
        print(f"\nKernels' first moment where RLN's map is between {EDGE[0]} and {EDGE[1]}, median: {moment:.2f} px")
    experiments = measure_experiments(model, pairs, refine) if model.config.context else {}
    photos: dict[str, Numbers] = {}
    for experiment in EXPERIMENTS:
        if experiment.key in experiments:
            passes = experiment.passes(model)
            photos[experiment.key] = (experiment.measure(passes) or {}) | experiment.place(passes)
    rows = [
        [
            BY_KEY[key].title,
            told(key, photos[key].get("effect")),
            *(told(key, value) for value in quartiles(of["effect"])),
        ]
        for key, of in experiments.items()
    ]
    print("\n" + table(["experiment", "its photo", "a quarter has less", "median", "a quarter has more"], rows))
    print(f"\n{len(pairs)} pictures; mean absolute error, maps not stretched")
    rounded = {name: {kind: round(float(value), 4) for kind, value in of.items()} for name, of in times.items()}
    return Sizes(data, experiments, photos, rounded, explained_cells(model) if experiments else [])


def explained_cells(model: DGRL) -> list[list[float]]:
    """Return Occlusion's cells for the attention cell that the experiment "cell" explains."""
    experiment = BY_KEY["cell"]
    found = attribute(model, experiment.path, explained_cell(experiment.passes(model)), "occlusion")
    return [[round(float(value), 5) for value in row] for row in found.cells] if found.cells is not None else []


def quartiles(spread: Spread) -> tuple[float, float, float]:
    """A quarter, a half, three quarters of the pictures have less."""
    return spread.low, spread.median, spread.high


def told(key: str, effect: float | None) -> str:
    """An experiment's effect in its unit; a dash where there is none."""
    return "–" if effect is None else BY_KEY[key].unit.told(effect)


def of_kind(values: Sequence[float], usual: Sequence[float]) -> tuple[str, str]:
    """Mean error, and how many times the usual one it is."""
    return f"{np.mean(values):.4f}", f"{np.mean(values) / np.mean(usual):.2f}"


def chosen_pairs(data: Path, only: Path | None, count: int) -> list[Pair]:
    """Find the pairs under `data` whose stems the list `only` names; of these `count`, evenly spaced, or all for 0."""
    pairs = find_pairs(data / "image", data / "mask")
    if only:
        kept, _ = find_names(read_names([only]), {pair.stem for pair in pairs})
        pairs = [pair for pair in pairs if pair.stem in kept]
    if count:
        pairs = pairs[:: max(1, len(pairs) // count)][:count]
    return pairs


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--weights", help="folder of weights; default: shipped")
    parser.add_argument("--only", type=Path, help="list of stems")
    parser.add_argument("--count", type=int, default=100, help="how many pictures, evenly spaced; 0 for all")
    parser.add_argument("--no-refine", action="store_true", help="measure RLN's last map: quicker")
    parser.add_argument("--json", type=Path, help="write what the experiments quote, e.g. to parts.json of the weights")
    options = parser.parse_args()
    pairs = chosen_pairs(options.data, options.only, options.count)
    model, _ = load_model(options.weights, precision="fp32")
    print()  # ends the line that says what it runs on
    sizes = print_tables(model, pairs, refine=not options.no_refine, data=options.data.name)
    if options.json:
        sizes.save(options.json)


if __name__ == "__main__":
    main()
