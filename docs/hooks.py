"""Functions that MkDocs calls while it builds the site: experiments as live pages, and links to files outside docs.

`DGRL_DOCS_WEIGHTS` names other weights than those that ship.
"""

import os
import re
from pathlib import Path
from typing import Any

import torch
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from dgrl import DGRL
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments import BY_KEY, EXPERIMENTS, Experiment, Sizes, sizes_of
from dgrl.experiments.page import experiment_page

ROOT = Path(__file__).parents[1]
PLACE = "<!-- the experiments -->"
HAPPENED = re.compile(r"<!-- happened (?P<key>[\w-]+) -->")
OUTSIDE = re.compile(r"\[(?P<text>[^\]]+)\]\(\.\./(?P<path>[^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each experiment."""
    folder = os.environ.get("DGRL_DOCS_WEIGHTS", str(SHIPPED_WEIGHTS))
    torch.manual_seed(0)
    model, sizes = DGRL.from_pretrained(folder), sizes_of(folder)
    for experiment in EXPERIMENTS:
        print(f"{experiment.title} …", flush=True)
        html = experiment_page(model, experiment, sizes)
        files.append(File.generated(config, f"experiments/{experiment.key}.html", content=html))
    config.extra["sizes"] = sizes
    return files


def on_page_markdown(markdown: str, config: MkDocsConfig, **_: Any) -> str:
    """Fill in the list of experiments, and replace links to files outside docs by the files' paths."""
    if PLACE in markdown:
        sizes: Sizes | None = config.extra["sizes"]
        markdown = markdown.replace(PLACE, "\n".join(entry(experiment, sizes) for experiment in EXPERIMENTS))

    markdown = HAPPENED.sub(lambda place: happened(BY_KEY[place["key"]], config.extra["sizes"], "Numbers"), markdown)

    def as_path(link: re.Match[str]) -> str:
        if not (ROOT / link["path"]).exists():
            return link[0]  # MkDocs reports it as a broken link
        return f"{link['text']} (`{link['path']}`)"

    return OUTSIDE.sub(as_path, markdown)


def entry(experiment: Experiment, sizes: Sizes | None) -> str:
    """Return an experiment's entry in the list."""
    lines = [
        f"## {EXPERIMENTS.index(experiment) + 1}. {experiment.title} {{#{experiment.key}}}",
        f"{experiment.question} [**Open it**](experiments/{experiment.key}.html)",
        f"*{experiment.story}*",
    ]
    return "\n\n".join([*lines, happened(experiment, sizes, "What happened")]) + "\n"


def happened(experiment: Experiment, sizes: Sizes | None, title: str) -> str:
    """Return what happened and how large the effect is, folded; nothing if it was not measured."""
    measured = None if sizes is None else sizes.photos.get(experiment.key)
    if measured is None:
        return ""
    return f'\n??? note "{title}"\n    {experiment.happened(measured)} {experiment.size(measured, sizes)}\n'
