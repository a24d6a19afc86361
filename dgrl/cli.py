"""The program `dgrl`: it finds the command, and turns every error into one line and an exit code.

A command is a function of its own name in `dgrl/commands/NAME.py` ("-" becomes "_"), and a line in `COMMANDS`.
"""

import importlib
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from dgrl import __version__
from dgrl.commands.common import log, one_line
from dgrl.extras import extra_of, how_to_install

COMMANDS = {
    "detect": "Find the salient object of photos: a map each, and cut-outs.",
    "watch": "Wait for pictures in a folder, and detect in each.",
    "trace": "Show how one photo's object was found: maps, numbers, report.",
    "app": "Serve the app in your browser.",
    "train": "Train RLN, or BRN on RLN's maps.",
    "survey": "Join attention to error over a folder: table and page.",
    "evaluate": "Measure a checkpoint on pictures with masks.",
    "export": "Write a checkpoint as an ONNX file.",
    "import-caffe": "Make a checkpoint of the authors' Caffe weights.",
}
OPTIONAL_VALUES = {"--trim": "0"}
"""Options that may stand without their value, and the value that they then have."""
ABOUT = """Find the salient object of a photo, and see how it was found.

Exit codes: 0 all done, 2 some input was refused and the rest done, 1 anything else. Errors are a line each; add -v to
any command to see where they come from.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with these arguments, by default those of the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbose = any(word in ("-v", "--verbose") for word in words)
    words = [word for word in words if word not in ("-v", "--verbose")] or ["--help"]
    words = with_values(words)
    start_logging(verbose)
    for stream in (sys.stdout, sys.stderr):  # file names may hold what a terminal cannot show
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
        return run(words)


def run(words: list[str]) -> int:
    """Run a command line without -v; every error is logged."""
    try:
        code = program(words[0])(words, prog_name="dgrl", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        # Typer's usage errors have `format_message`. Its class for them has changed its name over time.
        message = error.format_message() if hasattr(error, "format_message") else describe(error)
        log.error("dgrl: %s", one_line(message))
        log.debug("", exc_info=error)
        return 1
    if code == 130:
        log.error("dgrl: interrupted")
        return 1
    return code if isinstance(code, int) else 0


def program(chosen: str) -> typer.Typer:
    """Build the program; only the chosen command is imported, because PyTorch takes seconds."""
    app = typer.Typer(
        help=ABOUT,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(about_program)
    for name, summary in COMMANDS.items():
        module = name.replace("-", "_")
        if name == chosen:
            app.command(name)(getattr(importlib.import_module(f"dgrl.commands.{module}"), module))
        else:
            app.command(name, help=summary)(lambda: None)
    return app


def about_program(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Handle the options of the program itself."""
    if version:
        typer.echo(f"dgrl {__version__}")
        raise typer.Exit


def with_values(words: Sequence[str]) -> list[str]:
    """Add a value to each of `OPTIONAL_VALUES` that is not followed by a number."""
    following = [*words[1:], ""]
    return [
        f"{word}={OPTIONAL_VALUES[word]}" if word in OPTIONAL_VALUES and not after.isdecimal() else word
        for word, after in zip(words, following, strict=True)
    ]


def describe(error: Exception) -> str:
    """Return an error's message, with its type where the message alone is unclear."""
    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")):
        return how_to_install(*extra)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = str(error)
    return f"{type(error).__name__}: {text}" if isinstance(error, (LookupError, TypeError)) or not text else text


def start_logging(verbose: bool) -> None:
    """Log error messages to stderr without a prefix, and tracebacks too if `verbose`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.ERROR)
