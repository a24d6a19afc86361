"""The list of endpoints, and the descriptions of their arguments and results for programs and tools."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.events import api

from dgrl.app.endpoints import Endpoints
from dgrl.app.gradio_api import gradio_function
from dgrl.attribution import answer as questions
from dgrl.attribution.methods import BLOCKS
from dgrl.attribution.question import BASELINES, METHODS
from dgrl.edits import MAX_STEPS, edits_schema
from dgrl.taps import LEVELS

RESULTS = {
    "detect": ("saliency", "cutout", "found"),
    "localise": ("maps", "numbers"),
    "refine": ("before", "after", "change", "numbers"),
    "pixel": ("pixel",),
    "what_if": ("untouched", "altered", "difference", "numbers"),
    "attribute": ("attribution", "numbers"),
    "measure": ("scores", "scores_table", "curves_table", "curves_figure"),
    "report": ("report",),
}
"""The endpoints, and the names of their results."""
QUEUES: Mapping[str, Mapping[str, Any]] = {
    "attribute": {"concurrency_limit": 1},  # its gradients use the most memory
    "measure": {"concurrency_limit": 2},
    "report": {"concurrency_limit": 1},
}
PASS_QUEUE = {"concurrency_limit": 2, "concurrency_id": "pass"}
PICTURES = ("photo", "mask", "painting")
PICTURE = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "The path that an upload to /gradio_api/upload returned."},
        "meta": {"type": "object", "properties": {"_type": {"const": "gradio.FileData"}}, "required": ["_type"]},
    },
}
EXAMPLE_EDITS = [{"kind": "flatten", "level": "conv4"}]


def offer(endpoints: Endpoints, blocks: gr.Blocks) -> None:
    """Offer the endpoints in `blocks`, which has to be the current context."""
    schemas = argument_schemas(endpoints.requests.passes.names)
    for name in RESULTS:
        settings = QUEUES.get(name, PASS_QUEUE)
        api(gradio_function(getattr(endpoints, name)), api_name=name, **settings)
    for offered in blocks.fns.values():
        names = [name for name in offered.fn.__annotations__ if name not in ("request", "return")]
        for component, name in zip(offered.inputs, names, strict=True):
            describe(component, name, schemas.get(name))
        for component, name in zip(offered.outputs, RESULTS[str(offered.api_name)], strict=True):
            describe(component, name)


def describe(component: Any, name: str, schema: Mapping[str, Any] | None = None) -> None:
    """Give an argument or result its name, and a schema if its type says too little."""
    component.label = name
    if schema is not None:
        component.api_info = constant(dict(schema))
    if name in PICTURES:
        component.example_payload = constant(sent_picture("photo.jpg" if name == "photo" else "mask.png"))
    elif name == "edits":
        component.example_payload = constant(EXAMPLE_EDITS)
    elif component.value is None:
        component.example_payload = constant(None)


def sent_picture(name: str) -> dict[str, Any]:
    """Return the example for the documentation: a file beside the program."""
    return {"path": name, "url": name, "meta": {"_type": "gradio.FileData"}}


def argument_schemas(checkpoints: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the JSON schemas of arguments whose types say too little."""

    def one_of(*values: str) -> dict[str, Any]:
        return {"type": "string", "enum": list(values)}

    steps = {"type": "integer", "minimum": -1, "maximum": MAX_STEPS}
    place = {"type": "number", "minimum": 0}
    return {
        **dict.fromkeys(PICTURES, PICTURE),
        "edits": edits_schema(),
        "checkpoint": one_of(*checkpoints),
        "steps": steps,
        "altered_steps": steps,
        "box": numbers(4),
        "point": numbers(2),
        "x": place,
        "y": place,
        "target": one_of(questions.PIXEL, questions.OBJECT, questions.CELL),
        "level": one_of(*LEVELS),
        "method": one_of(*METHODS),
        "baseline": one_of(*BASELINES),
        "block": one_of("", *BLOCKS),
        "opacity": {"type": "number", "minimum": 0, "maximum": 1},
    }


def numbers(count: int) -> dict[str, Any]:
    """Return the JSON schema of a list of so many numbers."""
    return {"type": "array", "items": {"type": "number"}, "minItems": count, "maxItems": count}


def constant(value: Any) -> Callable[[], Any]:
    """Return a function that returns `value`."""
    return lambda: value
