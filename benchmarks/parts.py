"""Measure the parts of the network: `python -m benchmarks.parts [DATA] [--weights W] [--only LIST] [--count N]`.

DATA holds `image` and `mask`. Parts are removed or changed one at a time, and the error of the result is measured, in
the whole picture and within 3 pixels of the true contour. The effects of the experiments (`dgrl.experiments`) are
measured on the same pictures. Prints Markdown tables; `--json FILE` writes the numbers that the experiments quote, and
without DATA renews in FILE those that they measure on their own photos.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from dgrl.experiments.effects import Numbers, heaviest_cell
from dgrl.images import as_float, read_image, to_tensor
from dgrl.model import DGRL
from dgrl.network.rln import LEVELS, RLNStep
from dgrl.taps import Edit, Recorder, flatten_map, listening, mean_kernels, scale_feedback
from dgrl.training.losses import mask_as_map

BLOCKS = ("conv2", "conv3", "conv4", "conv5")
LONGEST = 4
"""The largest T that is measured."""
SPREAD = 0.1
"""Share of a prescribed map's mass that is spread evenly over the picture."""
EDGE = 0.1, 0.9
"""Only kernels where RLN's map lies between these values are measured."""


@dataclass(frozen=True)
class Variant:
    """A pass with edits or another T; without `refine`, RLN's last map is the result."""

    name: str
    edits: tuple[Edit, ...] = ()
    steps: int | None = None
    refine: bool = True


@dataclass
class Errors:
    """Mean absolute errors of one variant, one value per picture."""

    whole: list[float] = field(default_factory=list)
    edge: list[float] = field(default_factory=list)


def variants() -> Iterator[Variant]:
    """Yield the variants, the unchanged pass first."""
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


TracedSteps = dict[tuple[Edit, ...], list[RLNStep]]
"""RLN's steps over one picture, by RLN's edits. Edits of BRN, and another T, use the same steps."""


@torch.inference_mode()
def result(
    model: DGRL, images: Tensor, variant: Variant, refine: bool, traced_steps: TracedSteps
) -> NDArray[np.float32]:
    """Return the last map of a pass over images (1, 3, H, W), in their size."""
    height, width = images.shape[-2:]
    edits = tuple(edit for edit in variant.edits if edit.tap.startswith("rln."))
    if edits not in traced_steps:
        with listening(Recorder(edits)):
            traced_steps[edits] = model.localise(images, None if edits else LONGEST).steps
    saliency = traced_steps[edits][model.config.steps if variant.steps is None else variant.steps].saliency
    if refine and variant.refine:
        with listening(Recorder([edit for edit in variant.edits if edit not in edits])):
            return model.sizing.refined(model.refine(images, saliency).refined, height, width)[0, 0].numpy()
    return model.sizing.localised(saliency, height, width)[0, 0].numpy()


def measure_variants(model: DGRL, pairs: Sequence[Pair], refine: bool) -> dict[str, Errors]:
    """Measure errors by variant. Without `refine`, variants that edit BRN are left out."""
    errors: dict[str, Errors] = {}
    for pair in pairs:
        images, truth = to_tensor(read_image(pair.image)), pair.truth()
        band = contour_band(truth)
        traced_steps: TracedSteps = {}
        for variant in variants():
            if not refine and any(edit.tap.startswith("brn") for edit in variant.edits):
                continue
            difference = np.abs(result(model, images, variant, refine, traced_steps) - truth)
            variant_errors = errors.setdefault(variant.name, Errors())
            variant_errors.whole.append(float(difference.mean()))
            variant_errors.edge.append(float(difference[band].mean()) if band.any() else 0.0)
    return errors


@dataclass
class Selectivity:
    """Mean saliency of RLN's last map on the chosen and on the other object, one value per picture."""

    chosen: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)


@torch.inference_mode()
def measure_selectivity(model: DGRL, pairs: Sequence[Pair]) -> dict[str, Selectivity]:
    """Measure what is found in two photos side by side when CWM's maps attend to the object of one of them."""
    size = model.config.rln_size
    cut = scale_feedback("*", 0.0)
    results: dict[str, Selectivity] = {}
    for left, right in itertools.pairwise(pairs):
        images = torch.cat([at_half(to_tensor(read_image(pair.image)), size) for pair in (left, right)], 3)
        masks = [at_half(torch.from_numpy(pair.truth())[None, None].float(), size) > 0.5 for pair in (left, right)]
        sides = [F.pad(mask, pad) for mask, pad in zip(masks, ([0, size // 2], [size // 2, 0]), strict=True)]
        for prompted, other in (sides, sides[::-1]):
            if not (prompted.any() and other.any()):
                continue
            maps_of_all_steps, maps_of_first_step = (prescribed_map(prompted.float(), steps) for steps in ("*", "0"))
            settings = {
                "maps unchanged": (),
                "maps prescribed at every step": (maps_of_all_steps,),
                "maps prescribed at t = 0": (maps_of_first_step,),
            }
            settings["the same, all feedback cut"] = (maps_of_first_step, cut)
            for setting, edits in settings.items():
                with listening(Recorder(edits)):
                    saliency = model.rln(images).saliency
                selectivity = results.setdefault(setting, Selectivity())
                selectivity.chosen.append(float(saliency[prompted].mean()))
                selectivity.other.append(float(saliency[other].mean()))
    return results


def at_half(maps: Tensor, size: int) -> Tensor:
    """Resize (1, C, H, W) to the left or right half of a square of side `size`."""
    return F.interpolate(as_float(maps), (size, size // 2), mode="bilinear", antialias=True)


def prescribed_map(mask: Tensor, steps: str) -> Edit:
    """Return the edit that makes every level's map at `steps` ("*" for all) attend to a mask (1, 1, S, S)."""
    return Edit(f"rln.t{steps}.conv*.weight_map", lambda weights: mask_as_map(mask, weights.shape[-2:], SPREAD))


def measure_maps(model: DGRL, pairs: Sequence[Pair]) -> list[list[str]]:
    """Return rows: level, and the mean correlation of its map with the previous step's, for each step."""
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
    """Return the median distance in pixels, near edges, from a pixel to its kernel's centre of mass."""
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
    """Measure the experiments' numbers over the pictures; two photos side by side for those that choose an object."""
    measurements: dict[str, list[Numbers]] = {}

    def measure_picture(passes: Passes, painting: bool) -> None:
        for experiment in EXPERIMENTS:
            if (experiment.painted is not None) == painting and (refine or not experiment.refines):
                numbers = experiment.measure(passes)
                if numbers is not None:
                    measurements.setdefault(experiment.key, []).append(numbers)

    for pair in pairs:
        measure_picture(Passes(model, pair.image), painting=False)
    for left, right in itertools.pairwise(pairs):
        photo, *objects = side_by_side(left, right, model.config.rln_size)
        for painted, other in (objects, objects[::-1]):
            measure_picture(Passes(model, photo, painted, other), painting=True)
    return {
        key: {name: Spread.of([n[name] for n in values], keep=name == "effect") for name in values[0]}
        for key, values in measurements.items()
    }


def side_by_side(left: Pair, right: Pair, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return two photos as the halves of a square (size, size, 3), and the object of each in it (size, size)."""
    halves = [at_half(to_tensor(read_image(pair.image)), size) for pair in (left, right)]
    photo = (torch.cat(halves, 3)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    masks = [
        at_half(torch.from_numpy(pair.truth())[None, None].float(), size)[0, 0].numpy() > 0.5 for pair in (left, right)
    ]
    empty = np.zeros_like(masks[0])
    return photo, np.hstack([masks[0], empty]), np.hstack([empty, masks[1]])


def print_tables(model: DGRL, pairs: Sequence[Pair], refine: bool, data: str = "") -> Sizes:
    """Print everything as Markdown; return the numbers that the experiments quote."""
    errors = measure_variants(model, pairs, refine)
    unchanged = next(iter(errors.values()))
    times = {
        name: {"error": np.mean(e.whole) / np.mean(unchanged.whole), "edge": np.mean(e.edge) / np.mean(unchanged.edge)}
        for name, e in errors.items()
    }
    rows = [
        [
            name,
            *itertools.chain(
                *(error_cells(values, base) for values, base in ((e.whole, unchanged.whole), (e.edge, unchanged.edge)))
            ),
        ]
        for name, e in errors.items()
    ]
    print(table(["variant", "error", "times", "error at the edge", "times"], rows))
    if model.config.context:
        results = measure_selectivity(model, pairs)
        rows = [[setting, f"{np.mean(s.chosen):.2f}", f"{np.mean(s.other):.2f}"] for setting, s in results.items()]
        print("\n" + table(["two photos side by side", "chosen object", "other object"], rows))
        steps = [f"t = {t}" for t in range(1, model.config.steps + 1)]
        print("\n" + table(["correlation with the step before", *steps], measure_maps(model, pairs)))
    if refine:
        moment = first_moments(model, pairs)
        print(f"\nKernels' first moment where RLN's map is between {EDGE[0]} and {EDGE[1]}, median: {moment:.2f} px")
    experiments = measure_experiments(model, pairs, refine) if model.config.context else {}
    photos = measure_photos(model, experiments)
    rows = [
        [
            BY_KEY[key].title,
            written(key, photos[key].get("effect")),
            *(written(key, value) for value in quartiles(spreads["effect"])),
        ]
        for key, spreads in experiments.items()
    ]
    print("\n" + table(["experiment", "its photo", "lower quartile", "median", "upper quartile"], rows))
    print(f"\n{len(pairs)} pictures; mean absolute error, maps not stretched")
    rounded = {name: {kind: round(float(value), 4) for kind, value in ratios.items()} for name, ratios in times.items()}
    return Sizes(data, experiments, photos, rounded, explained_cells(model) if experiments else [])


def measure_photos(model: DGRL, keys: Iterable[str]) -> dict[str, Numbers]:
    """Measure each experiment on its own photo, and find the place that it shows there."""
    photos: dict[str, Numbers] = {}
    for key in keys:
        passes = BY_KEY[key].passes(model)
        photos[key] = (BY_KEY[key].measure(passes) or {}) | BY_KEY[key].place(passes)
    return photos


def explained_cells(model: DGRL) -> list[list[float]]:
    """Return Occlusion's cells for the attention cell that the experiment "cell" explains."""
    experiment = BY_KEY["cell"]
    cells = attribute(model, experiment.path, heaviest_cell(experiment.passes(model)), "occlusion").cells
    return [] if cells is None else [[round(float(value), 5) for value in row] for row in cells]


def quartiles(spread: Spread) -> tuple[float, float, float]:
    """Return what a quarter, a half and three quarters of the pictures stay below."""
    return spread.low, spread.median, spread.high


def written(key: str, effect: float | None) -> str:
    """Return an experiment's effect in its unit, or a dash if there is none."""
    return "–" if effect is None else BY_KEY[key].unit.write(effect)


def error_cells(values: Sequence[float], unchanged: Sequence[float]) -> tuple[str, str]:
    """Return the mean error, and its ratio to the unchanged pass's error, as two table cells."""
    return f"{np.mean(values):.4f}", f"{np.mean(values) / np.mean(unchanged):.2f}"


def chosen_pairs(data: Path, names_file: Path | None, count: int) -> list[Pair]:
    """Find the pairs under `data` whose stems are in the list `only`; return `count` evenly spaced ones (0: all)."""
    pairs = find_pairs(data / "image", data / "mask")
    if names_file:
        stems, _ = find_names(read_names([names_file]), {pair.stem for pair in pairs})
        pairs = [pair for pair in pairs if pair.stem in stems]
    if count:
        pairs = pairs[:: max(1, len(pairs) // count)][:count]
    return pairs


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA", nargs="?")
    parser.add_argument("--weights", help="folder of weights; default: shipped")
    parser.add_argument("--only", type=Path, help="list of stems")
    parser.add_argument("--count", type=int, default=100, help="how many pictures, evenly spaced; 0 for all")
    parser.add_argument("--no-refine", action="store_true", help="measure RLN's last map: quicker")
    parser.add_argument("--json", type=Path, help="write what the experiments quote, e.g. to parts.json of the weights")
    options = parser.parse_args()
    if options.data is None and options.json is None:
        parser.error("give DATA, or --json FILE to renew the numbers of the experiments' photos")
    model, _ = load_model(options.weights, precision="fp32")
    if options.data is None:
        sizes = Sizes.load(options.json)
        sizes = replace(sizes, photos=measure_photos(model, sizes.photos), cells=explained_cells(model))
        sizes.save(options.json)
        return
    pairs = chosen_pairs(options.data, options.only, options.count)
    print()  # end the line that names the device
    sizes = print_tables(model, pairs, refine=not options.no_refine, data=options.data.name)
    if options.json:
        sizes.save(options.json)


if __name__ == "__main__":
    main()
