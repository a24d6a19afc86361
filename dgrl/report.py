"""Write the report of a pass: PNGs of every map, and a page that explains them and works without other files."""

import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from dgrl import figures
from dgrl.bundle import bundle
from dgrl.extras import require
from dgrl.images import RGB, Photo, to_grey
from dgrl.images.cutouts import cut_out
from dgrl.images.marking import save_marked
from dgrl.page.inlining import StoredPass, stored_page
from dgrl.places import carried
from dgrl.trace import SMALLEST_OBJECT, PixelTrace, Trace

LONGEST = 960
REPORT_GUIDE = """\
report.html     a page that explains this pass; open it in a browser, it needs nothing else
figures/        the figures of the report
"""
GUIDE = """\
saliency.png    the refined map in the photo's size, 0 black, 1 white
cutout.png      the object, cut out
maps/           every map in colours, by the name of its tap
trace.npz       every number of the pass

In Python: dgrl.Trace.load("trace.npz"), or numpy.load("trace.npz", allow_pickle=False) for arrays by these keys:
"""
MEANINGS = {
    "photo": "the photo, RGB, 0 to 255",
    "saliency": "the refined map in the photo's size, 0 to 1",
    "weight_map": "where RLN looks: CWM's weights at {block}, time step {t}; mean 1",
    "feedback": "channels fed back into {block} at time step {t}, before up-sampling",
    "logits": "RLN's scores at time step {t}, background and object; saliency is their softmax",
    "prior": "the map that BRN was given, 0 to 1",
    "coefficients": "BRN's n×n coefficients of every pixel, row by row of the window",
    "refined": "the map after BRN, 0 to 1",
}


def write_report(trace: Trace, folder: Path, facts: Mapping[str, str]) -> None:
    """Fill `folder`, which exists, with all there is of a trace.

    `report.html`, `trace.npz` (`Trace.load` reads it), `README.txt` with its keys, `saliency.png` and `cutout.png` in
    the photo's size, every map as `maps/TAP.png` and every figure of the report as `figures/NAME.png`.

    Raises:
        MissingExtraError: Matplotlib is not installed; `write_numbers` does without it.
    """
    require("report")
    (folder / "figures").mkdir(exist_ok=True)
    for stale in folder.glob("figures/kernel_*.png"):
        stale.unlink()
    # Matplotlib keeps one processor busy; compressing goes on beside it.
    with ThreadPoolExecutor() as pool:
        packed = pool.submit(bundle, trace, titled(facts))
        numbers = pool.submit(write_numbers, trace, folder, report=True)
        pictures = draw_figures(trace)
        for name, png in pictures.items():
            (folder / "figures" / f"{name}.png").write_bytes(png)
        (folder / "report.html").write_text(report_html(trace, facts, pictures, packed.result()), encoding="utf-8")
        numbers.result()


def write_numbers(trace: Trace, folder: Path, report: bool = False) -> None:
    """Write `saliency.png`, `cutout.png`, `maps`, `trace.npz` and `README.txt`, which needs none of the extras."""
    (folder / "maps").mkdir(exist_ok=True)
    for stale in folder.glob("maps/rln.t*.png"):  # an earlier run may have had more time steps
        stale.unlink()
    (folder / "README.txt").write_text(guide(trace, report), encoding="utf-8")
    save_marked(to_grey(trace.saliency), folder / "saliency.png")
    save_marked(cut_out(Photo(trace.photo, trace.photo), trace.saliency), folder / "cutout.png")
    for name, picture in map_pictures(trace).items():
        (folder / "maps" / f"{name}.png").write_bytes(figures.png_file(picture))
    trace.save(folder / "trace.npz")


def titled(facts: Mapping[str, str]) -> str:
    """Return the photo's name for titles."""
    return facts.get("photo", "A photo")


def guide(trace: Trace, report: bool = True) -> str:
    """Describe the folder's files, and every key of `trace.npz` with its shape and meaning, as text."""
    arrays: dict[str, NDArray[Any]] = {"photo": trace.photo, "saliency": trace.saliency, **trace.taps}
    rows = [f"  {name:<28}{'×'.join(map(str, values.shape)):<14}{meaning(name)}" for name, values in arrays.items()]
    return "\n".join(
        [REPORT_GUIDE * report + GUIDE, *rows, f"  {'about':<28}{'text':<14}format, and the kind of prior, as JSON", ""]
    )


def meaning(key: str) -> str:
    """Describe an array of `trace.npz`."""
    *path, name = key.split(".")
    return MEANINGS[name].format(t=path[1][1:] if len(path) > 1 else "", block=path[-1] if path else "")


def report_html(
    trace: Trace, facts: Mapping[str, str], pictures: Mapping[str, bytes] | None = None, packed: bytes | None = None
) -> str:
    """Return the report: one HTML page with the live explorer and explanations, for lectures and files.

    Args:
        trace: the pass.
        facts: what the page cannot know from the trace, for its table of settings, e.g. photo, checkpoint, device. The
            fact called "photo" is its title too.
        pictures: the result of `draw_figures`, where it has been drawn already.
        packed: the pass as a bundle, likewise.
    """
    pictures = draw_figures(trace) if pictures is None else pictures
    photo = figures.shrink(trace.photo, LONGEST)
    saliency = figures.resize_map(trace.saliency, *photo.shape[:2]).clip(0, 1)
    pixels = trace.most_changed()
    ringed = photo
    for pixel in pixels:
        ringed = figures.mark(ringed, *carried(pixel.x, pixel.y, trace.photo.shape, photo.shape))
    title = titled(facts)
    steps = len(trace.steps) - 1
    stored_pass = StoredPass(packed or bundle(trace, title), title, facts.get("checkpoint", "DGRL"), trained=steps)
    return stored_page(
        [stored_pass],
        title=f"{title}: how DGRL found it",
        scene={"x": pixels[0].x, "y": pixels[0].y, "pinned": True},
        template="report",
        found=found(trace),
        photo=_picture(Image.fromarray(ringed), "The photo, with rings around the pixels of section 5"),
        saliency=_picture(to_grey(saliency), "Saliency map"),
        cutout=_picture(cut_out(Photo(photo, photo), saliency), "The object, cut out"),
        kernel_field=figures.embedded(pictures["kernel_field"], "Kernel field"),
        last=len(trace.steps) - 1,
        levels=list(trace.steps[0].weight_maps),
        n=trace.kernel_size,
        pixels=[{"x": pixel.x, "y": pixel.y, "text": _told(pixel)} for pixel in pixels],
        facts=dict(facts) | own_facts(trace),
    )


def draw_figures(trace: Trace) -> dict[str, bytes]:
    """Return the report's figures as PNG files, by name."""
    drawings = {
        "time_steps": figures.time_steps(trace),
        "weight_maps": figures.weight_maps(trace),
        "refinement": figures.refinement(trace),
        "kernel_field": figures.kernel_field(trace),
    }
    for number, pixel in enumerate(trace.most_changed(), start=1):
        drawings[f"kernel_{number}"] = figures.kernel(pixel)
    return {name: figures.png(figure) for name, figure in drawings.items()}


def map_pictures(trace: Trace) -> dict[str, RGB]:
    """Return every map of the trace in the photo's proportions, at most 960 pixels long, by the name of its tap.

    Saliency is grey, 0 black and 1 white. Weight maps have one scale for each level, from 0 to the largest weight of
    all time steps; BRN's centre coefficients one from −limit to limit, the kernels' spread one from 0.
    """
    height, width = figures.shrink(trace.photo, LONGEST).shape[:2]

    def grey(values: figures.Map) -> RGB:
        return figures.colour(figures.resize_map(values, height, width), 0, 1, figures.SALIENCY)

    pictures: dict[str, RGB] = {}
    for step in trace.steps:
        for level, weights in step.weight_maps.items():
            spread_out = figures.resize_map(weights, height, width, aligned=True)
            limit = figures.weight_limit(trace, level)
            pictures[f"rln.t{step.t}.{level}.weight_map"] = figures.colour(spread_out, 0, limit, figures.WEIGHTS)
        pictures[f"rln.t{step.t}.saliency"] = grey(step.saliency)
    pictures["brn.prior"] = grey(trace.prior)
    pictures["brn.refined"] = grey(trace.refined)
    for name in ("centre", "shift_x", "shift_y"):
        values = getattr(trace.kernel_field, name)
        limit = figures.largest(values)
        resized = figures.resize_map(values, height, width)
        pictures[f"brn.kernel_{name}"] = figures.colour(resized, -limit, limit, figures.SIGNED)
    spread = figures.resize_map(trace.kernel_field.spread, height, width)
    pictures["brn.kernel_spread"] = figures.colour(spread, 0, figures.largest(spread), figures.SPREAD)
    return pictures


def found(trace: Trace) -> str:
    """Say what the map found, in two or three sentences."""
    height, width = trace.saliency.shape
    rows, columns = np.nonzero(trace.found())
    if not len(rows):
        return (
            f"No object stands out in this photo of {width} × {height} pixels: less than {SMALLEST_OBJECT:.1%} of it "
            f"is salient with a probability above one half. The highest probability is {trace.saliency.max():.2f}."
        )
    change = np.abs(trace.refined - trace.prior).mean()
    share = f"{len(rows) / trace.saliency.size:.0%}".replace("%", " %")
    return (
        f"The object covers {share} of the photo ({width} × {height} pixels), from column {columns.min()} to "
        f"{columns.max()} and from row {rows.min()} to {rows.max()}. "
        f"Sharpening changed the map by {change:.4f} on average."
    )


def own_facts(trace: Trace) -> dict[str, str]:
    """Return the settings of the pass that are stored in a trace."""
    height, width = trace.photo.shape[:2]
    steps = trace.steps
    return {
        "photo's size": f"{width}×{height} pixels",
        "time steps": f"T = {len(steps) - 1}, so {len(steps)} predictions",
        "RLN's maps": f"{steps[0].saliency.shape[1]}×{steps[0].saliency.shape[0]} pixels",
        "BRN's maps": f"{trace.prior.shape[1]}×{trace.prior.shape[0]} pixels, {trace.prior_kind} prior",
        "kernels": f"{trace.kernel_size}×{trace.kernel_size}",
    }


def _picture(image: Image.Image, alternative: str) -> Markup:
    """Return an illustration, compressed as much as possible, because the exact numbers are in other files."""
    file = io.BytesIO()
    image.save(file, "webp", quality=85)
    return figures.embedded(file.getvalue(), alternative, kind="webp")


def _told(pixel: PixelTrace) -> str:
    return f"Pixel ({pixel.x}, {pixel.y}): {pixel.prior:.3f} before, {pixel.refined:.3f} after"
