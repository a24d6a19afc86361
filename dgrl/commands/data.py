"""Options that `dgrl train` and `dgrl evaluate` share: which pictures, which masks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dgrl.commands.common import log, one_line
from dgrl.commands.processes import is_main_process
from dgrl.data.checking import LISTED, Checked, Folders, check
from dgrl.data.known_sets import KNOWN_SETS, folders_of, known_set
from dgrl.data.names import read_names
from dgrl.data.pairs import DataError, Pair

Images = Annotated[
    list[Path] | None, typer.Option(help="Folder of pictures; may be repeated, pair by pair with --masks.")
]
Masks = Annotated[list[Path] | None, typer.Option(help="Folder of masks of the same file names.")]
Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=ROOT", help=f"Known data set and the folder it is in; may be repeated. {', '.join(KNOWN_SETS)}."
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch a data set of --data into its ROOT if it is not there.")
]
Without = Annotated[list[Path] | None, typer.Option(help="Text file of file names, a line each, to leave out.")]
Only = Annotated[list[Path] | None, typer.Option(help="Text file of file names, a line each: no others are taken.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on without pictures and masks that cannot be used, and list them.")
]


def pairs_of(*folders: Any, **options: Any) -> list[Pair]:
    """Return the pairs that `checked_pairs` finds, without the skipped problems."""
    return checked_pairs(*folders, **options).pairs


def checked_pairs(
    images: list[Path] | None,
    masks: list[Path] | None,
    without: list[Path] | None = None,
    only: list[Path] | None = None,
    data: list[str] | None = None,
    download: bool = False,
    skip_bad: bool = False,
    masks_only: bool = False,
) -> Checked:
    """Check the pairs in all folders and data sets; return the sound ones and the problems.

    Raises:
        DataError: the options do not go together or leave nothing; a name to leave out matches no picture; or, without
            `skip_bad`, a picture or mask cannot be used; all those are then listed on stderr.
    """
    sources = folders(images or [], masks or [], data or [], download)
    checked = check(sources, read_names(without or []), read_names(only) if only else None, masks_only)
    for note in checked.notes + checked.remarks:
        tell(note)
    if checked.unknown:
        remainder = f", and {len(checked.unknown) - LISTED} more" if len(checked.unknown) > LISTED else ""
        raise DataError(f"names to leave out that match no picture: {'; '.join(checked.unknown[:LISTED])}{remainder}")
    if checked.problems and is_main_process():
        for line in checked.report().splitlines():
            log.error("dgrl: %s", one_line(line))
    if checked.problems and not skip_bad:
        raise DataError("not all pictures and masks can be used; mend them, or go on without them by --skip-bad")
    if not checked.pairs:
        raise DataError("no pictures are left")
    for source in sources:
        count = source.count(checked.pairs)
        if source.published not in (None, count) and not without and not only:
            tell(f"{source.name}: {count} of the {source.published} published pairs")
    return checked


def folders(images: list[Path], masks: list[Path], data: list[str], download: bool) -> list[Folders]:
    """Return the folders of the options; DataError if the options do not fit together."""
    if len(images) != len(masks):
        raise DataError(f"{len(images)} folders of pictures but {len(masks)} of masks; give them pair by pair")
    sources = [Folders(*image_and_mask) for image_and_mask in zip(images, masks, strict=True)]
    for word in data:
        name, separator, root = word.partition("=")
        if not separator or not root:
            raise DataError(f"--data {word}: give it as NAME=ROOT, e.g. {known_set(name).name}=data")
        sources.append(folders_of(name, Path(root), download, tell))
    if not sources:
        raise DataError("name pictures and masks with --images and --masks, or a data set with --data")
    return sources


def tell(line: str) -> None:
    """Print a line, once however many processes there are."""
    if is_main_process():
        typer.echo(one_line(line))
