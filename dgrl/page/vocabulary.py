"""Names, words and limits that Python and the page share. `python -m dgrl.page.vocabulary` writes them for the page.

The page imports `vocabulary.js`, an ES module, because not every browser can import JSON. A test fails if it is stale.
"""

import json
from typing import Any

import numpy as np

from dgrl import figures
from dgrl.edits import KINDS, MAX_EDITS, MAX_STEPS
from dgrl.evaluation.survey.answers import CERTAIN, KERNELS, MEMORY, NAMED, QUESTIONS
from dgrl.evaluation.survey.reason import ON
from dgrl.page import FOLDER
from dgrl.prompts import GROWTH, RADIUS, ROUNDS, SHARE
from dgrl.taps import BLOCKS, LEVELS
from dgrl.trace import FOUND, SMALLEST_OBJECT

FILE = FOLDER / "vocabulary.js"
WORDS = {"conv3": "fine", "conv4": "medium", "conv5": "coarse"}
"""The page's names for the levels."""
GLOSSARY = "https://github.com/dgrl/dgrl/blob/main/docs/glossary.md"
"""Address of the glossary, in the repository that the package metadata names."""
MAPS = {
    "result": "Result",
    "photo": "Photo",
    **{level: f"Attention, {WORDS[level]}" for level in LEVELS},
    "prediction": "Prediction",
    "change": "Change",
    "prior": "Before sharpening (as BRN receives it)",
    "refinement": "What sharpening changed",
    "refined": "After sharpening (BRN)",
}
"""The maps that the page shows, in the order of the network, and their labels."""
COLOURS = {"weights": figures.WEIGHTS, "saliency": figures.SALIENCY, "signed": figures.SIGNED}
"""Matplotlib's colour map for attention maps, saliency maps and differences."""
TARGETS = {"pixel": "this pixel", "object": "the object", "cell": "one attention cell"}
"""Values that can be explained."""
METHODS = {
    "occlusion": (
        "Occlusion",
        "Blurs one part of the photo at a time. Red parts raise the value, blue ones lower it.",
    ),
    "integrated_gradients": (
        "Integrated Gradients",
        "Adds up gradients on the way from a blurred photo to the photo. The finest picture, and the slowest.",
    ),
    "grad_cam": ("Grad-CAM", "Weighs one block's features by their gradients. The fastest, and the coarsest."),
}
"""Methods of explanation: name, and one sentence about it."""


def vocabulary() -> dict[str, Any]:
    """Return everything that the page shares with Python, as JSON values."""
    return {
        "levels": [{"name": level, "word": WORDS[level]} for level in LEVELS],
        "blocks": list(BLOCKS),
        "maxSteps": MAX_STEPS,
        "maxEdits": MAX_EDITS,
        "edits": {kind.name: {field.name: field.for_page() for field in kind.fields} for kind in KINDS},
        "maps": list_of_words(MAPS),
        "found": {"above": FOUND, "least": SMALLEST_OBJECT},
        "targets": list_of_words(TARGETS),
        "methods": [
            {"name": name, "word": word, "about": description} for name, (word, description) in METHODS.items()
        ],
        "prompt": {"radius": RADIUS, "share": SHARE, "growth": GROWTH, "rounds": ROUNDS},
        "survey": {
            "on": ON,
            "certain": CERTAIN,
            "named": NAMED,
            "questions": QUESTIONS,
            "effects": {"memory": MEMORY, "kernel": KERNELS},
        },
        "glossary": GLOSSARY,
        "colours": {kind: palette_of(colour_map) for kind, colour_map in COLOURS.items()},
    }


def list_of_words(words: dict[str, str]) -> list[dict[str, str]]:
    """Return names and their words as a list, which keeps their order."""
    return [{"name": name, "word": word} for name, word in words.items()]


def palette_of(colour_map: str) -> str:
    """Return the 256 colours of one of Matplotlib's colour maps as hexadecimal digits."""
    return figures.colour(np.arange(256.0)[None], 0, 256, colour_map).tobytes().hex()


def module() -> str:
    """Return the text of `vocabulary.js`."""
    text = json.dumps(vocabulary(), indent=2, ensure_ascii=False)
    return f"// Written by `python -m dgrl.page.vocabulary`; changes belong there.\n\nexport default {text};\n"


if __name__ == "__main__":
    FILE.write_text(module(), encoding="utf-8")
