"""The Measure tab: how good every map of the pass is, against a ground-truth mask."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from gradio.components import Component
from gradio.events import Dependency
from markupsafe import Markup

from dgrl.app.curves import curves_table, name_of, scores_table
from dgrl.app.parts import LATEX, Source, ground_truth, served_file
from dgrl.app.runs import View
from dgrl.evaluation import metrics
from dgrl.evaluation.evaluate import REFINED
from dgrl.evaluation.metrics import METRICS, Measured
from dgrl.figures import embedded, number, reading_table, svg
from dgrl.figures.evaluation import precision_recall
from dgrl.network import sizing

Scored = Mapping[str, Mapping[str, float]]
WHAT_IT_IS = (
    "With a **ground-truth mask**, a picture of the photo's size that is white on the object and black elsewhere, "
    "every map of the pass is measured: RLN's prediction at each time step, and the map after BRN. **MAE** is an "
    "error: less is better. Of all the other scores, more is."
)
WHAT_THEY_MEAN = rf"""
- **MAE**, mean absolute error: how far the map is from the mask on average. 0 is perfect; for all others 1 is.
- **F-measure**: precision and recall of the map cut at a threshold, with $\beta^2 = 0.3$. **maxF** and **meanF** are
  over 256 thresholds; **adaptiveF** cuts at twice the map's mean; **weightedF** needs no threshold and weighs errors by
  where they are.
- **S**, structure measure: likeness of regions and of the object as a whole.
- **E**, enhanced alignment: single pixels and the whole picture at once, mean over 256 thresholds.
- **boundaryF**: meanF of the pixels within {metrics.BAND} pixels of the true contour and of no others: how well the
  edge is drawn.
- **Precision** is the share of what was found that is the object, **recall** the share of the object that was found:

$$ F_\beta = \frac{{(1 + \beta^2)\,\mathrm{{precision}} \cdot \mathrm{{recall}}}}
{{\beta^2\,\mathrm{{precision}} + \mathrm{{recall}}}}, \qquad
\mathrm{{MAE}} = \frac{{1}}{{HW}} \sum_i |s_i - g_i| $$

All are computed by `pysodmetrics`, the field's reference, from maps of 8 bits in the photo's own size.
"""
ASK = "Give a mask, and the scores appear here."


def maps(view: View, stretch: bool) -> Iterator[tuple[str, metrics.Bytes]]:
    """Every map of the pass by its kind, "t0", "t1", … and "refined", as the PNG (H, W) that would be saved of it."""

    for step in view.trace.steps:
        yield f"t{step.t}", metrics.as_bytes(view.trace.sized(step.t, stretch))
    refined = torch.from_numpy(view.trace.saliency)[None, None]
    yield REFINED, metrics.as_bytes((sizing.stretch(refined) if stretch else refined)[0, 0].numpy())


def scores_html(scores: Scored) -> str:
    """The scores so far as a table."""
    rows = {metric: [number(row[metric], 4) for row in scores.values()] for metric in METRICS}
    return reading_table("Against the mask", [name_of(kind) for kind in scores], rows, chosen="")


def figure_html(figure: bytes, scores: Scored) -> str:
    """The figure of the curves, an SVG file, with words for those who cannot see it."""
    best = ", ".join(f"{name_of(kind)}: {row['maxF']:.3f}" for kind, row in scores.items())
    text = f"Precision over recall, a curve for each map. The largest F-measure on each: {best}."
    return embedded(figure, text, "svg+xml", **{"class": "figure"})


def kept_mask(photo: str | None, mask: str | None) -> str | None:
    """The mask that stays when the photo changes: none but one of the same name, as pairs have in data sets."""
    return mask if photo is not None and mask is not None and Path(photo).stem == Path(mask).stem else None


def add(source: Source, found: Dependency, examples: Sequence[str | Path]) -> None:
    """Lay the tab out inside the current `gr.Blocks`; it is measured anew after `found`, the event of a new pass.

    The mask of an example PHOTO.jpg, where there is one, is masks/PHOTO.png beside it.
    """
    masks = [(path, Path(path).parent / "masks" / f"{Path(path).stem}.png") for path in examples]
    pairs = [[str(path), str(mask)] for path, mask in masks if mask.is_file()]
    gr.Markdown(WHAT_IT_IS)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            source.mask.render()  # type: ignore[no-untyped-call]
            if pairs:
                both: list[Component] = [source.photo, source.mask]
                gr.Examples(pairs, both, label="An example and its mask", api_visibility="private")
            stretch = gr.Checkbox(
                value=True,
                label="Stretch each map to [0, 1] first",
                info="By its minimum and maximum, as published evaluations and `dgrl evaluate` do.",
            )
        with gr.Column(scale=3, min_width=320):
            shown = gr.HTML(f"<p>{ASK}</p>", elem_id="scores")
            curve = gr.HTML(elem_id="curve")
    with gr.Row():
        scores_file = gr.DownloadButton("Download the scores (CSV)", size="md")
        curve_file = gr.DownloadButton("Download the curves (CSV)", size="md")
        figure_file = gr.DownloadButton("Download the figure (SVG)", size="md")
    with gr.Accordion("All digits", open=False):
        digits = gr.JSON(label="The scores in numbers", open=True)
    with gr.Accordion("What the scores mean", open=False):
        gr.Markdown(WHAT_THEY_MEAN, latex_delimiters=LATEX)

    def measure(
        photo: str | None, checkpoint: str, steps: int, mask: str | None, stretch: bool, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Measure every map of a pass against a ground-truth mask.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            mask: a picture of the photo's size, brighter than half where the object is.
            stretch: stretch each map to [0, 1] by its minimum and maximum first, as published evaluations do.

        Returns:
            MAE, maxF, meanF, adaptiveF, weightedF, S, E and boundaryF by map: "t0", "t1" … are RLN's time steps,
            "refined" is after BRN. The same as an HTML table; the precision-recall curves as HTML; the scores as a
            CSV file, the curves as a CSV file and as an SVG figure.
        """
        if mask is None:
            yield None, f"<p>{ASK}</p>", "", None, None, None
            return
        view = source.view(photo, checkpoint, steps, request)
        truth = ground_truth(mask, view)
        measured: dict[str, Measured] = {}
        # A large photo takes seconds for each map: the rows appear as they are measured.
        for kind, saliency in maps(view, stretch):
            measured[kind] = metrics.measure(saliency, truth, stretch)
            scores = {kind: one.results() for kind, one in measured.items()}
            yield scores, scores_html(scores), *[gr.skip()] * 4
        drawn = precision_recall({name_of(kind): one.curves() for kind, one in measured.items()})
        figure, stem = svg(drawn), Path(str(photo)).stem
        yield (
            scores,
            scores_html(scores),
            figure_html(figure, scores),
            served_file(scores_table(scores), f"{stem}_scores.csv"),
            served_file(curves_table(measured), f"{stem}_curves.csv"),
            served_file(figure, f"{stem}_curves.svg"),
        )

    def show(
        photo: str | None, checkpoint: str, steps: int, mask: str | None, stretch: bool, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """The same; what is wrong is said where the scores would be."""
        try:
            yield from measure(photo, checkpoint, steps, mask, stretch, request)
        except gr.Error as error:
            yield None, Markup('<p role="alert"><strong>{}</strong></p>').format(error.message), "", None, None, None

    outputs = [digits, shown, curve, scores_file, curve_file, figure_file]
    inputs = [*source.inputs, source.mask, stretch]
    settings: dict[str, Any] = {
        "concurrency_limit": 2,
        "concurrency_id": "measure",
        "show_progress_on": shown,
        "trigger_mode": "always_last",
    }
    stretch.input(measure, inputs, outputs, api_name="measure", **settings)
    private: dict[str, Any] = {"api_visibility": "private", **settings}
    source.mask.change(show, inputs, outputs, **private)
    # A mask belongs to one photo; with another number of steps or checkpoint it is measured again.
    pair = [source.photo, source.mask]
    source.photo.change(kept_mask, pair, source.mask, queue=False, api_visibility="private")
    found.success(show, inputs, outputs, show_progress="hidden", **private)
