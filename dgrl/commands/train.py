"""`dgrl train`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from accelerate.utils import set_seed

from dgrl.commands.data import Images, Masks, Without, pairs_of
from dgrl.config import DGRLConfig
from dgrl.model import DGRL
from dgrl.training import TrainingError, check_unused
from dgrl.training import train as run
from dgrl.training_config import TrainingConfig

RUN_FILE = "training.json"
DEFAULT = TrainingConfig()


def train(
    images: Images = [],  # noqa: B006 - Typer copies it
    masks: Masks = [],  # noqa: B006
    without: Without = None,
    stage: Annotated[str, typer.Option(help="What to train: rln, or brn on the maps of an RLN that stays.")] = "rln",
    out: Annotated[Path | None, typer.Option(help="Folder of the run; it ends as a checkpoint folder.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run; no other option counts.")] = None,
    init: Annotated[str | None, typer.Option(help="Checkpoint to start from.")] = None,
    backbone: Annotated[str, typer.Option(help="A timm network, when training starts anew.")] = "resnet50",
    pretrained: Annotated[bool, typer.Option(help="Start the backbone from ImageNet weights.")] = True,
    refinement_std: Annotated[
        float, typer.Option(help="Standard deviation of BRN's initial weights, when training starts anew.")
    ] = DGRLConfig.refinement_std,
    steps: Annotated[int, typer.Option(min=0, help="T: the network runs T + 1 times.")] = 2,
    epochs: Annotated[int, typer.Option(min=1)] = DEFAULT.epochs,
    max_updates: Annotated[int | None, typer.Option(min=1, help="End after so many updates.")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = DEFAULT.batch_size,
    size: Annotated[int, typer.Option(min=32, help="Side of RLN's pictures; a multiple of 32.")] = DEFAULT.size,
    crop: Annotated[int, typer.Option(min=16, help="Side of BRN's training crops.")] = DEFAULT.crop,
    crops_per_picture: Annotated[int, typer.Option(min=1, help="BRN's crops.")] = DEFAULT.crops_per_picture,
    learning_rate: Annotated[float, typer.Option(help="Peak, new layers.")] = DEFAULT.learning_rate,
    backbone_learning_rate: Annotated[float, typer.Option(help="Peak, backbone.")] = DEFAULT.backbone_learning_rate,
    precision: Annotated[str, typer.Option(help="no, bf16 or fp16.")] = DEFAULT.precision,
    compile: Annotated[bool, typer.Option(help="Compile RLN first: a minute's wait, then faster.")] = DEFAULT.compile,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures.")] = DEFAULT.workers,
    seed: Annotated[int, typer.Option()] = DEFAULT.seed,
) -> None:
    """Train RLN, or BRN on RLN's maps; pictures and masks are paired by file name."""
    if resume is not None:
        start(resume, read_run(resume), resume=True)
        return
    if out is None:
        raise typer.BadParameter("name the run's folder with --out, or the run to go on with by --resume")
    recipe = TrainingConfig(
        stage=stage,  # type: ignore[arg-type]  # checked by the dataclass
        steps=steps,
        epochs=epochs,
        max_updates=max_updates,
        batch_size=batch_size,
        size=size,
        crop=crop,
        crops_per_picture=crops_per_picture,
        learning_rate=learning_rate,
        backbone_learning_rate=backbone_learning_rate,
        precision=precision,
        compile=compile,
        workers=workers,
        seed=seed,
    )
    settings = {
        "images": [str(folder) for folder in images],
        "masks": [str(folder) for folder in masks],
        "without": [str(file) for file in without or []],
        "init": init,
        "backbone": backbone,
        "pretrained": pretrained,
        "refinement_std": refinement_std,
        "recipe": dataclasses.asdict(recipe),
    }
    start(out, settings, resume=False)


def start(out: Path, settings: dict[str, Any], resume: bool) -> None:
    """Run the training that `settings` describes, as they stand in the run's `training.json`."""
    recipe = TrainingConfig(**settings["recipe"])
    folders = ([Path(name) for name in settings[key]] for key in ("images", "masks", "without"))
    pairs = pairs_of(*folders)
    set_seed(recipe.seed)  # new layers too start the same for the same seed
    model = first_network(settings, recipe)
    if not resume:
        # Written once everything has been read: a run that cannot start leaves nothing to resume.
        check_unused(out)
        out.mkdir(parents=True, exist_ok=True)
        (out / RUN_FILE).write_text(json.dumps(settings, indent=2), encoding="utf-8")
    run(model, pairs, out, recipe, resume)


def read_run(folder: Path) -> dict[str, Any]:
    """What `training.json` of a run says; TrainingError if there is none."""
    try:
        settings: dict[str, Any] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder} is not a training run that can be resumed: {error}") from error
    return settings


def first_network(settings: dict[str, Any], recipe: TrainingConfig) -> DGRL:
    """The network that training starts with: a checkpoint, with heads for all steps, or a new one."""
    steps = 0 if recipe.steps is None else recipe.steps
    if settings["init"] is None:
        config = DGRLConfig.for_backbone(settings["backbone"], steps=steps, refinement_std=settings["refinement_std"])
        return DGRL(config, pretrained_backbone=settings["pretrained"])
    model = DGRL.from_pretrained(settings["init"])
    return model if steps == model.config.steps else model.with_steps(steps)
