"""`dgrl train`."""

import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import torch
import typer
from accelerate.utils import set_seed

from dgrl.checkpoint import WEIGHTS_FILE, read_config
from dgrl.commands.data import Data, Download, Images, Masks, Only, SkipBad, Without, folders, pairs_of, tell
from dgrl.commands.options import with_options
from dgrl.commands.processes import is_main_process
from dgrl.data.checking import LISTED
from dgrl.data.names import find_names, read_names
from dgrl.data.pairs import DataError, Pair
from dgrl.model import DGRL
from dgrl.network.config import BRN_OPTIONS, BRN_SETTINGS, RLN_OPTIONS, DGRLConfig
from dgrl.running.memory import keep_freed_memory
from dgrl.settings import fields
from dgrl.training.checkpoints import TrainingError, check_unused, claimed
from dgrl.training.config import TrainingConfig, network_settings, preset
from dgrl.training.loop import train as run
from dgrl.training.record import RUN_FILE, START_FOLDER, as_rows, move_run, pairs_of_rows, read_run, recipe_of

RUN_SETTINGS = {"images", "masks", "data", "without", "only", "skip_bad", "init", "new_brn", "backbone"}
RUN_SETTINGS |= {"pretrained", "steps", "network", "recipe"}
"""Keys of `training.json` in a run that the command started."""
TAKEN_TO_RESUME = {"resume", "images", "masks", "tracker", "tensorboard"}
"""Options that go with --resume, beside settings of the recipe, whose values `dgrl.training.loop.train` judges."""
NETWORK_OPTIONS = (*RLN_OPTIONS, *BRN_OPTIONS)
SEVERAL_NUMBERS = {"refinement_channels", "refinement_dilations"}
AS_OPTIONS = {"stage": "rln", "pictures_every": 200}


@with_options(fields(DGRLConfig, NETWORK_OPTIONS) | fields(TrainingConfig), **AS_OPTIONS)
def train(
    ctx: typer.Context,
    images: Images = None,
    masks: Masks = None,
    data: Data = None,
    download: Download = False,
    without: Without = None,
    only: Only = None,
    skip_bad: SkipBad = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; it ends as a checkpoint folder.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with this run, by its recipe; --images and --masks may say where its data are now."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="default; paper: published; finetune: for few pictures, and what --init takes unless BRN is new.",
        ),
    ] = None,
    init: Annotated[str | None, typer.Option(help="Checkpoint to start from.")] = None,
    new_brn: Annotated[bool, typer.Option(help="Keep RLN from --init and reinitialise BRN.")] = False,
    backbone: Annotated[str, typer.Option(help="Name of a timm network, for a new RLN.")] = "resnet50",
    pretrained: Annotated[bool, typer.Option(help="Start the backbone from ImageNet weights.")] = True,
    steps: Annotated[
        int | None, typer.Option(min=0, help="T: the network runs T + 1 times; 2, or that of --init.")
    ] = None,
    keep_out: Annotated[
        list[Path] | None,
        typer.Option(help="Text file of names of pictures to measure by before and after, and not to train with."),
    ] = None,
    elsewhere: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="IMAGES MASKS",
            help="Pictures of other kinds, to measure what training costs there; finetune lets it cost 2 % at most.",
        ),
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            metavar="LIST|SHARE",
            help="Pictures to validate by, not to train with: a text file of names, or a share, 0 for none; by default "
            "0.1 where there are at least 20 pictures.",
        ),
    ] = None,
    tracker: Annotated[str | None, typer.Option(help="What shows the log: tensorboard or trackio.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="The same as --tracker tensorboard.")] = False,
    find_rate: Annotated[
        bool,
        typer.Option("--find-rate", help="Only try rising learning rates: rates.csv and rates.png in --out."),
    ] = False,
    **settings: Any,
) -> None:
    """Train RLN, BRN on RLN's maps, or both; pictures and masks are paired by file name.

    Settings that are not given are the preset's. Those of RLN are for a new network, those of BRN for a new network or,
    with --new-brn, a new BRN.

    Example: dgrl train --images photos/ --masks masks/ --init dgrl-lite --out run

    Several GPUs: `accelerate launch -m dgrl train …` or `torchrun -m dgrl train …`.
    """
    tracker = tracker or ("tensorboard" if tensorboard else None)
    options = {name: settings.pop(name) for name in NETWORK_OPTIONS}
    if resume is not None:
        go_on(resume, images or [], masks or [], settings, named_options(ctx), tracker)
        return
    if out is None:
        raise typer.BadParameter("name the run's folder with --out, or the run to go on with by --resume")
    of_rln, of_brn = (given({name: options[name] for name in names}) for names in (RLN_OPTIONS, BRN_OPTIONS))
    of_brn |= {name: whole_numbers(of_brn[name]) for name in of_brn if name in SEVERAL_NUMBERS}
    changes = given(settings)
    if init is not None and (of_rln or backbone != "resnet50"):
        raise typer.BadParameter(
            f"{option_list('backbone', *RLN_OPTIONS)} are for a new network, not for that of --init"
        )
    if init is not None and of_brn and not new_brn:
        raise typer.BadParameter(f"{option_list(*BRN_OPTIONS)} change BRN: with --init they need --new-brn")
    if recipe is None:  # so that a trained network keeps its abilities
        recipe = "default" if init is None or new_brn else "finetune"
    network = network_settings(recipe) | of_rln | of_brn
    lists = {"images": images, "masks": masks, "without": without, "only": only, "keep_out": keep_out}
    described = {
        **{name: [str(path.resolve()) for path in paths or []] for name, paths in lists.items()},
        "elsewhere": [str(path.resolve()) for path in elsewhere or ()],
        "data": [absolute(word) for word in data or []],
        "hold_out": str(Path(hold_out).resolve()) if hold_out and Path(hold_out).is_file() else hold_out,
        "skip_bad": skip_bad,
        "init": str(Path(init).resolve()) if init and Path(init).is_dir() else init,
        "new_brn": new_brn,
        "backbone": backbone,
        "pretrained": pretrained,
        "steps": steps,
        "network": network if init is None else {name: network[name] for name in BRN_SETTINGS if name in network},
        "recipe": dataclasses.asdict(preset(recipe, **changes)),
    }
    if find_rate:
        try_rates(out, described, download)
        return
    start(out, described, resume=False, download=download, tracker=tracker)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def option_list(*names: str) -> str:
    """Return options as the command line has them, with commas between."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def whole_numbers(text: str) -> list[int]:
    """Return the numbers in text such as "16,16,32"."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"whole numbers with commas between, not {text!r}") from error


def absolute(data: str) -> str:
    """Make the root of NAME=ROOT absolute, so that it does not depend on the current folder."""
    name, separator, root = data.partition("=")
    return f"{name}={Path(root).resolve()}" if separator and root else data


def named_options(context: typer.Context) -> set[str]:
    """Return the names of the options that the command line has."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def go_on(
    out: Path, images: list[Path], masks: list[Path], settings: dict[str, Any], named: set[str], tracker: str | None
) -> None:
    """Go on with the run in `out`, wherever its pictures are now; `named` are the options given."""
    described = read_run(out)
    listed = "pairs" in described  # Python started it
    missing = set() if listed else RUN_SETTINGS - set(described)
    if missing:
        raise TrainingError(f"{out} cannot be resumed: its {RUN_FILE} has no {', '.join(sorted(missing))}")
    if ignored := sorted(named - settings.keys() - TAKEN_TO_RESUME):
        tell(f"Not taken, because a run goes on as it began: {option_list(*ignored)}")
    if images or masks:
        described |= moved_rows(described, images, masks) if listed else moved(images, masks)
    start(out, described, True, tracker=tracker, changes={name: settings[name] for name in named & settings.keys()})


def moved(images: list[Path], masks: list[Path]) -> dict[str, Any]:
    """Return the settings that say where the pictures of a run are now."""
    folders = {"images": images, "masks": masks}
    return {name: [str(path.resolve()) for path in paths] for name, paths in folders.items()}


def moved_rows(settings: dict[str, Any], images: list[Path], masks: list[Path]) -> dict[str, Any]:
    """Return the same of a run that Python started."""
    places = [(source.images, source.masks) for source in folders(images, masks, [], False)]
    return {name: as_rows(pairs_of_rows(settings[name], places)) for name in ("pairs", "hold_out_pairs")}


Prepared = tuple[TrainingConfig, DGRL, list[Pair], "list[Pair] | float | None", dict[str, list[Pair]]]


def prepare(settings: dict[str, Any], download: bool, start: Path | None = None) -> Prepared:
    """Read what a run's `training.json` names: recipe, network, pictures, hold-out, measuring sets.

    Args:
        settings: what the file holds.
        download: whether data sets that are missing may be fetched.
        start: folder of the network before training, if it has been written.
    """
    recipe = recipe_of(settings)
    if "pairs" in settings:  # Python started it
        pairs = pairs_of_rows(settings["pairs"])
        hold_out: list[Pair] | float | None = pairs_of_rows(settings["hold_out_pairs"])
        kept_out = {name: pairs_of_rows(rows) for name, rows in settings["kept_out"].items()}
    else:
        folders = {key: [Path(name) for name in settings[key]] for key in ("images", "masks", "without", "only")}
        pairs = pairs_of(**folders, data=settings["data"], download=download, skip_bad=settings["skip_bad"])
        pairs, kept_out = without_kept_out(pairs, settings)
        pairs, hold_out = held_out(pairs, settings.get("hold_out", "0"))
    set_seed(recipe.seed)  # new layers too start the same for the same seed
    model = first_network(settings) if start is None else DGRL(read_config(start)).eval()  # `train` reads its weights
    return recipe, model, pairs, hold_out, kept_out


def held_out(pairs: list[Pair], wanted: str | None) -> tuple[list[Pair], list[Pair] | float | None]:
    """Return the pairs to train with, and the listed validation pairs, or the share that `train` is to hold out."""
    if wanted is None:
        return pairs, None
    if not Path(wanted).is_file():
        try:
            return pairs, float(wanted)
        except ValueError as error:
            raise typer.BadParameter(f"--hold-out {wanted} is neither a file of names nor a share") from error
    stems = named(pairs, [wanted], "hold out")
    kept = [pair for pair in pairs if pair.stem in stems]
    if len(kept) == len(pairs):
        raise DataError("all pictures are held out: none is left to train with")
    return [pair for pair in pairs if pair.stem not in stems], kept


def try_rates(out: Path, settings: dict[str, Any], download: bool) -> None:
    """Run the learning-rate range test and write what it found."""
    from dgrl.training.rates import find_rate, save_rates

    recipe, model, pairs, *_ = prepare(settings, download)
    found = find_rate(model, pairs, recipe)
    save_rates(found, out)
    tell(f"{found.sentence()}; numbers and plot: {out / 'rates.csv'}, {out / 'rates.png'}")


def start(
    out: Path,
    settings: dict[str, Any],
    resume: bool,
    download: bool = False,
    tracker: str | None = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Run the training that `settings`, a run's `training.json`, describes; exit code 1 if it is stopped."""
    begun = out / START_FOLDER if resume and (out / START_FOLDER).is_dir() else None
    recipe, model, pairs, hold_out, kept_out = prepare(settings, download, begun)
    if not resume:
        check_unused(out)
    with claimed(out) if is_main_process() else nullcontext():
        if resume and is_main_process():
            move_run(out, settings)
        if not torch.accelerator.is_available():
            keep_freed_memory()
        named = None if resume else recipe
        run(model, pairs, out, named, resume, False, kept_out, hold_out, tracker, settings, **changes)
    # The first process writes it, perhaps on another machine.
    if is_main_process() and not (out / WEIGHTS_FILE).is_file():
        raise typer.Exit(1)


def without_kept_out(pairs: list[Pair], settings: dict[str, Any]) -> tuple[list[Pair], dict[str, list[Pair]]]:
    """Return the pairs to train with, and those to measure: hold-out pairs of the same kind, and other ones."""
    stems = named(pairs, settings.get("keep_out", ()), "keep out")
    kept = [pair for pair in pairs if pair.stem in stems]
    others = [Path(name) for name in settings.get("elsewhere", ())]
    elsewhere = pairs_of([others[0]], [others[1]]) if others else []
    if len(kept) == len(pairs):
        raise DataError("all pictures are held out: none is left to train with")
    return [pair for pair in pairs if pair.stem not in stems], {"held out": kept, "elsewhere": elsewhere}


def named(pairs: list[Pair], files: Iterable[str], option: str) -> set[str]:
    """Return the stems that the list files name; raise DataError if a name matches no picture."""
    stems, unknown = find_names(read_names(Path(name) for name in files), {pair.stem for pair in pairs})
    if unknown:
        raise DataError(f"names to {option} that match no picture: {'; '.join(unknown[:LISTED])}")
    return set(stems)


def first_network(settings: dict[str, Any]) -> DGRL:
    """Return the network at the start of a training: a checkpoint with heads for all steps, or a new one."""
    steps = settings["steps"]
    if settings["init"] is None:
        config = DGRLConfig.for_backbone(
            settings["backbone"], steps=2 if steps is None else steps, **settings["network"]
        )
        return DGRL(config, pretrained_backbone=settings["pretrained"])
    model = DGRL.from_pretrained(settings["init"])
    if settings["new_brn"]:
        model = model.with_new_brn(**settings["network"])
    return model if steps in (None, model.config.steps) else model.with_steps(steps)
