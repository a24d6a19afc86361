"""What a run began with, written in its folder: its recipe, its pictures and its network, so that it can be resumed."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dgrl.checkpoint import CheckpointError, load_weights, read_config
from dgrl.data.pairs import DataError, Pair, find_pairs
from dgrl.files import replacing
from dgrl.model import DGRL
from dgrl.training.checkpoints import TrainingError, replacing_folder
from dgrl.training.config import TrainingConfig
from dgrl.training.watching import LOG_FILE, whole_lines

RUN_FILE = "training.json"
"""The recipe, and what `dgrl train --resume` needs: the options of `dgrl train`, or the pictures that Python gave."""
LISTS = "lists"
"""Key in the file since version 3: the numbers of pictures, and digests of their names."""
HOLD_OUT_FILE = "hold_out.txt"
"""Names of the hold-out pictures, if there are any, a line each."""
START_FOLDER = "start"
"""The network before training."""
FREE = {"workers", "checkpoint_every", "keep", "pictures_every"}
"""Settings that do not change what is learned: a resumed run takes them as they are named."""
OLD_RECIPE = {"ema": 0.0}
"""Values of settings that recipes of version 2.0 do not name."""


def read_run(out: Path) -> dict[str, Any]:
    """Read what a run began with (`RUN_FILE`).

    Raises:
        TrainingError: `out` is not the folder of a run, or the file cannot be used.
    """
    try:
        settings: dict[str, Any] = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{out} is not a training run that can be resumed: it holds no {RUN_FILE}") from error
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"{out} cannot be resumed: its {RUN_FILE} is empty, or no JSON") from error
    if not isinstance(settings, dict) or not isinstance(settings.get("recipe"), dict):
        raise TrainingError(f"{out} cannot be resumed: its {RUN_FILE} has no recipe")
    return settings


def recipe_of(settings: Mapping[str, Any]) -> TrainingConfig:
    """Return the recipe of a run; TrainingError if this version cannot use it."""
    try:
        return TrainingConfig(**OLD_RECIPE | settings["recipe"])
    except (TypeError, ValueError) as error:  # of another version, or no number where one should be
        raise TrainingError(f"the recipe in {RUN_FILE} cannot be used: {error}") from error


def resumed_recipe(started: TrainingConfig, requested: TrainingConfig) -> tuple[TrainingConfig, list[str]]:
    """Return the recipe that a run goes on with, and a line that names the settings which are not taken.

    Args:
        started: the recipe that the run began with.
        requested: the recipe of the call that resumes it.
    """
    resumed = dataclasses.replace(started, **{name: getattr(requested, name) for name in FREE})
    ignored = [
        f"{field.name} {getattr(requested, field.name)!r} (the run's: {getattr(resumed, field.name)!r})"
        for field in dataclasses.fields(resumed)
        if getattr(requested, field.name) != getattr(resumed, field.name)
    ]
    lines = [f"Not taken, because a run goes on with the recipe that it began with: {', '.join(ignored)}"]
    return resumed, lines if ignored else []


def write_run(
    out: Path,
    model: DGRL,
    config: TrainingConfig,
    pairs: Sequence[Pair],
    hold_out: Sequence[Pair],
    kept_out: Mapping[str, Sequence[Pair]],
    settings: Mapping[str, Any] | None,
) -> None:
    """Write what a run begins with.

    Args:
        out: the run's folder.
        model: the network before training.
        config, pairs, hold_out, kept_out: the recipe and the pictures of the run.
        settings: what `dgrl train` was asked for; None for a run that Python starts.

    Raises:
        TrainingError: it cannot be written.
    """
    if settings is None:
        kept_out_rows = {name: as_rows(pairs_of_set) for name, pairs_of_set in kept_out.items()}
        settings = {"pairs": as_rows(pairs), "hold_out_pairs": as_rows(hold_out), "kept_out": kept_out_rows}
    described = {**settings, "recipe": dataclasses.asdict(config), LISTS: _summary(pairs, hold_out)}
    try:
        with replacing_folder(out / START_FOLDER) as partial:
            model.save_pretrained(partial)
        with replacing(out / RUN_FILE) as partial:
            partial.write_text(json.dumps(described, indent=2), encoding="utf-8")
        (out / HOLD_OUT_FILE).unlink(missing_ok=True)
        if hold_out:
            with replacing(out / HOLD_OUT_FILE) as partial:
                partial.write_text("".join(f"{pair.image.name}\n" for pair in hold_out), encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{out} cannot be written to: {error}") from error


def restore_start(model: DGRL, out: Path) -> None:
    """Set the network to what the run began with; of version 2.0 there is no record of that.

    Raises:
        TrainingError: the network is of another kind, or the record cannot be read.
    """
    if not (out / START_FOLDER).is_dir():
        return
    try:
        started, present = (dataclasses.asdict(config) for config in (read_config(out / START_FOLDER), model.config))
        if started != present:
            differences = ", ".join(
                f"{name} {present[name]!r} (the run's: {started[name]!r})"
                for name in started
                if started[name] != present[name]
            )
            raise TrainingError(f"{out} cannot be resumed with a network of another kind: {differences}")
        load_weights(model, out / START_FOLDER)
    except CheckpointError as error:
        raise TrainingError(f"{out} cannot be resumed: {error}") from error


def own_hold_out(out: Path, pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs to train with, and the hold-out pairs that the run began with.

    Args:
        out: the run's folder.
        pairs: all pairs, or those to train with where the run was given its hold-out pairs apart.
    """
    path = out / HOLD_OUT_FILE
    names = set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()
    held_out = [pair for pair in pairs if pair.image.name in names]
    if len(held_out) < len(names) and (out / RUN_FILE).is_file():
        rows = read_run(out).get("hold_out_pairs", [])
        held_out = pairs_of_rows(rows) if rows else held_out
    to_leave_out = set(held_out)
    return [pair for pair in pairs if pair not in to_leave_out], held_out


def move_run(out: Path, settings: Mapping[str, Any]) -> None:
    """Write down where the pictures of a run are now."""
    with replacing(out / RUN_FILE) as partial:
        partial.write_text(json.dumps(settings, indent=2), encoding="utf-8")


def as_rows(pairs: Iterable[Pair]) -> list[list[Any]]:
    """Return pairs as JSON: picture, mask and threshold."""
    return [[str(pair.image.resolve()), str(pair.mask.resolve()), pair.threshold] for pair in pairs]


def pairs_of_rows(rows: Iterable[Sequence[Any]], folders: Sequence[tuple[Path, Path]] = ()) -> list[Pair]:
    """Return the pairs of `as_rows`.

    Args:
        rows: picture, mask and threshold of each.
        folders: where pictures and masks are now, if they have moved.

    Raises:
        DataError: a file is not there.
    """
    pair_of_stem = {pair.stem: pair for images_and_masks in folders for pair in find_pairs(*images_and_masks)}
    pairs = []
    for image, mask, threshold in rows:
        pair = Pair(Path(image), Path(mask), int(threshold))
        if folders:
            if pair.stem not in pair_of_stem:
                raise DataError(f"{pair.image.name}, with which the run began, is in none of the folders named")
            pair = dataclasses.replace(pair_of_stem[pair.stem], threshold=pair.threshold)
        for path in (pair.image, pair.mask):
            if not path.is_file():
                raise DataError(f"{path} is not there any more; --images and --masks may name where the data are now")
        pairs.append(pair)
    return pairs


def changes_of_lists(out: Path, pairs: Sequence[Pair], hold_out: Sequence[Pair]) -> list[str]:
    """Return a sentence for each list of pictures that differs from the one that the run began with."""
    started = read_run(out).get(LISTS)
    if started is None:
        return []
    present = _summary(pairs, hold_out)
    return [
        f"The list of {words} has changed: {started[count]} then, {present[count]} now"
        for count, names, words in (
            ("pictures", "names", "pictures to train with"),
            ("hold_out", "hold_out_names", "hold-out pictures"),
        )
        if present[names] != started.get(names)
    ]


def _summary(pairs: Sequence[Pair], hold_out: Sequence[Pair]) -> dict[str, Any]:
    """Return counts and digests of the names, which are the same for any place of the files."""
    return {
        "pictures": len(pairs),
        "names": _digest(pairs),
        "hold_out": len(hold_out),
        "hold_out_names": _digest(hold_out),
    }


def _digest(pairs: Sequence[Pair]) -> str:
    return hashlib.sha256("\n".join(pair.stem for pair in pairs).encode()).hexdigest()[:16]


def log_lines(out: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a run's log; none if it has no log yet."""
    return [json.loads(line) for line in whole_lines(out / LOG_FILE)]
