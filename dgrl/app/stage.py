"""The one stage: a page of its own inside `gr.HTML`, and what it asks the server for beside the endpoints of `api`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_file_to_cache
from PIL import Image

from dgrl import __version__
from dgrl.app.api import changes, facts, surest
from dgrl.app.files import visitor_files
from dgrl.app.served import picture_file, served_file
from dgrl.app.wishes import MOST_STEPS, Asking, ground_truth
from dgrl.evaluation.comparison import read
from dgrl.explorer import assets, bundle
from dgrl.explorer.report import found
from dgrl.figures import resize_map, shrink
from dgrl.images import to_grey
from dgrl.model import DGRL

HERE = Path(__file__).parent
THUMBNAIL = 200
PARTS = {"rln": ("photo", "rln"), "brn": ("brn",), "kernels": ("kernels",)}
"""What can be asked of a pass, first to last: what RLN sees, the maps before and after BRN, its kernels."""


@dataclass
class Stage:
    """What the page asks for; each argument and each answer is one JSON object."""

    asking: Asking

    def look(self, sent: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """Part of a pass, as a bundle for the explorer.

        Args:
            sent: `wish` {photo, checkpoint, steps, edits}, `part` (one of PARTS), and, for an altered pass, `beside`,
                the untouched one's wish.

        Returns:
            The bundle's path; what was found; the pixels to begin with; how the pass differs from the one beside it.
        """
        sent = sent if isinstance(sent, dict) else {}
        wish, part = self.asking.sent(sent.get("wish")), sent.get("part")
        if part not in PARTS:
            raise gr.Error(f"A part is one of {', '.join(PARTS)}.", title="No such part", print_exception=False)
        whole = part != "rln"
        view = self.asking.view(wish, request) if whole else self.asking.localised(wish, request)
        title = Path(wish.photo).stem
        said = found(view.trace) if view.trace.whole else ""
        content = bundle(view.trace, title, said, "halves", PARTS[part])
        answer = {"bundle": served_file(content, f"{part}.bundle"), "facts": facts(view), "surest": surest(view)}
        if part == "brn":
            pixel = view.trace.most_changed(count=1)[0]
            answer["striking"] = [pixel.x, pixel.y]
            beside = sent.get("beside")
            if beside is not None:
                untouched = self.asking.view(self.asking.sent(beside), request)
                if untouched.trace.photo.shape == view.trace.photo.shape:
                    answer["changes"] = changes(untouched, view)
        return answer

    def weigh(self, sent: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """One photo of a batch.

        Args:
            sent: `wish`; `mask`, a file, or `other`, another checkpoint; or neither.

        Returns:
            A small picture and the map, as paths; the share found; the map's mean absolute error or the mean absolute
            difference between both checkpoints' maps, as computed, not stretched.
        """
        sent = sent if isinstance(sent, dict) else {}
        wish, mask, other = self.asking.sent(sent.get("wish")), sent.get("mask"), sent.get("other")
        view = self.asking.view(wish, request)
        saliency = view.trace.saliency
        score = None
        if isinstance(mask, dict):
            score = read(saliency, view.trace.found(), ground_truth(str(mask.get("path")), view)).mae
        elif other is not None:
            second = self.asking.view(self.asking.wish(wish.photo, other, wish.steps), request)
            score = float(np.abs(saliency - second.trace.saliency).mean())
        photo = shrink(view.trace.photo, THUMBNAIL)
        return {
            "thumbnail": picture_file(photo, "thumbnail", "jpeg"),
            "map": picture_file(to_grey(resize_map(saliency, *photo.shape[:2]).clip(0, 1)), "map"),
            "share": float(view.trace.found().mean()),
            "score": score,
        }


def add(
    asking: Asking,
    models: Mapping[str, DGRL],
    examples: Sequence[str | Path],
    experiments: Sequence[Mapping[str, Any]],
) -> None:
    """Lay the stage out inside the current `gr.Blocks`."""
    settings = {
        "checkpoints": [{"name": name, "steps": model.config.steps} for name, model in models.items()],
        "examples": [offered(Path(path)) for path in examples],
        "experiments": [dict(experiment) for experiment in experiments],
        "mostSteps": MOST_STEPS,
        "version": __version__,
    }
    gr.HTML(
        None,
        html_template='<div id="dgrl"></div>',
        js_on_load=script(),
        apply_default_css=False,
        elem_id="stage",
        settings=settings,
    )
    with gr.Column(visible=False):
        stage = Stage(asking)
        for run in (stage.look, stage.weigh):
            sent, answer = gr.JSON(label="sent"), gr.JSON(label="answer")
            gr.Button(run.__name__).click(
                run,
                sent,
                answer,
                api_name=run.__name__,
                api_visibility="undocumented",
                concurrency_limit=2,
                concurrency_id="pass",
            )


def offered(path: Path) -> dict[str, str | None]:
    """An example as the page knows it: copies where Gradio serves its files."""
    mask = path.parent / "masks" / f"{path.stem}.png"
    copies = [
        save_file_to_cache(file, str(visitor_files().folder)) if file.is_file() else None for file in (path, mask)
    ]
    for copy in copies:
        if copy is not None:
            visitor_files().hold(copy, None)
    with Image.open(path) as image:
        small = shrink(np.asarray(image.convert("RGB")), THUMBNAIL)
    return {
        "name": path.stem,
        "path": copies[0],
        "mask": copies[1],
        "thumbnail": picture_file(small, path.stem, "jpeg"),
    }


@cache
def script() -> str:
    """The page's script and style, as `gr.HTML` wants them: the body of a function of `element`, `props` and others.

    The style sheet is put on the page as it is: what goes by Gradio's own way loses its container queries.
    """
    style = f"{assets.style()}\n{(HERE / 'app.css').read_text(encoding='utf-8')}"
    start = f"startApp(element, props.settings, {json.dumps(style)});"
    return f'"use strict";\n{assets.joined(HERE / "script" / "app.js")}{start}\n'
