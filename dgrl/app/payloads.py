"""What a visitor sends, before anything looks at it: every file that is named in it must be one the app was given.

The check stands on the shape of what was sent, not on the components it is for, nor on marks that a sender may leave
out: whatever looks like a file, wherever it is, must be known. So a new endpoint has it without asking.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

REFUSAL = "The app does not have this file (any more): give it the picture itself, not a path or an address."
"""One sentence for whatever was named, so that it says nothing about which files there are."""
MOST_LEVELS = 32
"""Of lists and objects inside each other."""
PLACES = ("path", "url")
"""An object with one of these keys is a file, to Gradio's components."""
WEB = ("http://", "https://")
MARK = {"_type": "gradio.FileData"}


class RefusedError(ValueError):
    """Something that was sent cannot be used; the message is for the visitor."""


def checked(value: Any, knows: Callable[[str], bool], web: bool = False) -> Any:
    """A copy of what was sent, with nothing of its files but paths that `knows` allows, their names, and Gradio's mark.

    Args:
        value: anything that JSON can hold.
        knows: whether a path is of a file that the app was given.
        web: whether addresses of pictures on the web may stand for files.

    Raises:
        RefusedError: a file is not known, or there are too many levels.
    """
    return _checked(value, knows, web, MOST_LEVELS)


async def fetched(value: Any, fetch: Callable[[str], Awaitable[str]]) -> Any:
    """Return what was checked with a local file in place of every address on the web; `fetch` gets it."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and path.startswith(WEB):
            return {**value, "path": await fetch(path)}
        return {key: await fetched(one, fetch) for key, one in value.items()}
    return [await fetched(one, fetch) for one in value] if isinstance(value, list) else value


def paths(value: Any) -> Iterator[str]:
    """The path of every file in `value`, what was checked or what is answered."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for entry in value:
            yield from paths(entry)


def _checked(value: Any, knows: Callable[[str], bool], web: bool, levels: int) -> Any:
    if levels < 0:
        raise RefusedError(f"There are more than {MOST_LEVELS} levels in what was sent.")
    if isinstance(value, list | tuple):
        return [_checked(entry, knows, web, levels - 1) for entry in value]
    if not isinstance(value, dict):
        return value
    if any(value.get(place) is not None for place in PLACES):
        return _file(value, knows, web)
    return {key: _checked(entry, knows, web, levels - 1) for key, entry in value.items()}


def _file(value: dict[str, Any], knows: Callable[[str], bool], web: bool) -> dict[str, Any]:
    path = value.get("path")
    fetched = web and isinstance(path, str) and path.startswith(WEB)
    if not isinstance(path, str) or not (fetched or knows(path)):
        raise RefusedError(REFUSAL)
    name = value.get("orig_name")
    # Not its address, which some components prefer to the path; nor whether it streams, which skips Gradio's checks.
    return {"path": path, "orig_name": name if isinstance(name, str) else None, "meta": MARK}
