"""Options that `dgrl train` and `dgrl evaluate` share: which pictures, which masks."""

from pathlib import Path
from typing import Annotated

import typer

from dgrl.data import DataError, Pair, find_pairs

Images = Annotated[list[Path], typer.Option(help="Folder of pictures; may be repeated, pair by pair with --masks.")]
Masks = Annotated[list[Path], typer.Option(help="Folder of masks of the same file names.")]
Without = Annotated[list[Path] | None, typer.Option(help="Text file of file stems, a line each, to leave out.")]
Only = Annotated[list[Path] | None, typer.Option(help="Text file of file stems, a line each: no others are taken.")]


def pairs_of(
    images: list[Path], masks: list[Path], without: list[Path] | None = None, only: list[Path] | None = None
) -> list[Pair]:
    """The pairs in all folders; DataError if the options do not go together or leave nothing."""
    if len(images) != len(masks):
        raise DataError(f"{len(images)} folders of pictures but {len(masks)} of masks; give them pair by pair")
    excluded, included = stems(without), stems(only)
    pairs = [pair for folders in zip(images, masks, strict=True) for pair in find_pairs(*folders, exclude=excluded)]
    pairs = [pair for pair in pairs if not only or pair.stem in included]
    if not pairs:
        raise DataError("no pictures are left")
    return pairs


def stems(files: list[Path] | None) -> set[str]:
    """The words of all text files; DataError if one cannot be read."""
    try:
        return {stem for file in files or [] for stem in file.read_text(encoding="utf-8").split()}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list of stems cannot be read: {error}") from error
