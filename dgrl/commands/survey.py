"""`dgrl survey`."""

import contextlib
import io
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgrl.commands.common import Device, Precision, Steps, load_model, refuse
from dgrl.commands.processes import is_main_process, join_processes, leave_processes, process_count, process_number
from dgrl.files import replacing

if TYPE_CHECKING:
    from dgrl.evaluation.survey import Survey
    from dgrl.model import DGRL


def survey(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of pictures.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the table and the page.")] = Path("survey"),
    masks: Annotated[
        Path | None, typer.Option(help="Folder of masks, named as the pictures; without it there are no scores.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Checkpoint, as in detect; give two to compare them. By default the one that ships."),
    ] = None,
    parts: Annotated[bool, typer.Option(help="Measure what each part does, which takes three times as long.")] = True,
    steps: Steps = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Join attention to error, picture by picture: survey.csv, survey.json, and survey.html to look at.

    Prints where attention is off the object, at which level and look, where memory helps or hurts, which kernels are
    artefacts, and which of two checkpoints attends better.

    A survey that was stopped goes on where it was when it is started again. Several processes share the pictures:
    `torchrun --nproc-per-node N -m dgrl survey …`.

    Example: dgrl survey photos/ --masks masks/ -o survey
    """
    from dgrl.commands.photos import find_photos
    from dgrl.evaluation.survey.answers import answers
    from dgrl.evaluation.survey.run import plan_of, rows, subjects
    from dgrl.evaluation.survey.store import Store, fingerprint
    from dgrl.running.progress import bar

    errors: list[Exception] = []

    def turn_down(error: Exception) -> None:
        errors.append(error)
        refuse(error)

    share, device = join_processes(device)
    tell = turn_down if is_main_process() else errors.append
    pictures = subjects(find_photos([folder], tell, tell, out), masks, tell, folder)
    with contextlib.redirect_stdout(sys.stdout if is_main_process() else io.StringIO()):
        models = load_models(weights or [], device, precision)
    plan = plan_of(models, masks is not None, steps, parts)
    store = Store(out, plan, [fingerprint(model) for model in models.values()])
    own_pictures = pictures[process_number() :: process_count()]
    new_rows = rows(models, plan, own_pictures, turn_down, store.done())
    total = len(own_pictures) * len(models)
    for _ in bar(store.append(process_number(), new_rows), total=total, unit="row", disable=not is_main_process()):
        pass
    if share:
        leave_processes()
    if is_main_process():
        result = store.survey([picture.name for picture in pictures])
        write(result, out)
        for title, answer in answers(result).items():
            typer.echo(f"{title} {answer}")
        typer.echo(f"{len(result.rows)} rows; look at {out / 'survey.html'}")
    if errors:
        raise typer.Exit(2)


def load_models(weights: list[str], device: str, precision: str) -> "dict[str, DGRL]":
    """Load the networks, with different names; the shipped one if none is named."""
    if not weights:
        return {"shipped": load_model(None, device, precision)[0]}
    counts = Counter(Path(folder).name for folder in weights)
    models: dict[str, DGRL] = {}
    for number, folder in enumerate(weights, start=1):
        name = Path(folder).name
        models[f"{name} {number}" if counts[name] > 1 else name] = load_model(folder, device, precision)[0]
    return models


def write(result: "Survey", out: Path) -> None:
    """Write `survey.csv`, `survey.json` and `survey.html` to the folder `out`."""
    from dgrl.evaluation.survey.page import page

    for name, text in (
        ("csv", result.to_csv()),
        ("json", result.to_json()),
        ("html", page(result, out.resolve().name)),
    ):
        with replacing(out / f"survey.{name}") as partial:
            partial.write_text(text, encoding="utf-8")
