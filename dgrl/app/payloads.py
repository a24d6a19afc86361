"""Check the content of requests first: every file that is named must be one the app knows.

The check looks at the shape of the content, not at components or at marks that a sender may leave out: everything that
looks like a file, at any depth, must be known. New endpoints are covered without further code.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

REFUSAL = "The app does not have this file (any more). Please send the picture itself, not a path or an address."
"""The same sentence for every name, so that it does not reveal which files exist."""
MOST_LEVELS = 32
"""Depth of nested lists and objects."""
FILE_KEYS = ("path", "url")
"""For Gradio's components, an object with one of these keys is a file."""
WEB = ("http://", "https://")
MARK = {"_type": "gradio.FileData"}


class RefusedError(ValueError):
    """The content of a request cannot be used; the message is for the user."""


def checked(value: Any, knows: Callable[[str], bool], web: bool = False) -> Any:
    """Return a copy of the content in which files have only a path that `knows` allows, a name, and Gradio's mark.

    Args:
        value: anything that JSON can hold.
        knows: says whether the app knows a path.
        web: whether addresses of pictures on the web may stand for files.

    Raises:
        RefusedError: a file is not known, or there are too many levels.
    """
    return _checked(value, knows, web, MOST_LEVELS)


async def fetched(value: Any, fetch: Callable[[str], Awaitable[str]]) -> Any:
    """Return checked content with a local file in place of every web address; `fetch` downloads it."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and path.startswith(WEB):
            return {**value, "path": await fetch(path)}
        return {key: await fetched(item, fetch) for key, item in value.items()}
    return [await fetched(item, fetch) for item in value] if isinstance(value, list) else value


def paths(value: Any) -> Iterator[str]:
    """Yield the path of every file in `value`, a checked request or a response."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for entry in value:
            yield from paths(entry)


def _checked(value: Any, knows: Callable[[str], bool], web: bool, levels: int) -> Any:
    if levels < 0:
        raise RefusedError(f"The request has more than {MOST_LEVELS} levels.")
    if isinstance(value, list | tuple):
        return [_checked(entry, knows, web, levels - 1) for entry in value]
    if not isinstance(value, dict):
        return value
    if any(value.get(place) is not None for place in FILE_KEYS):
        return _file(value, knows, web)
    return {key: _checked(entry, knows, web, levels - 1) for key, entry in value.items()}


def _file(value: dict[str, Any], knows: Callable[[str], bool], web: bool) -> dict[str, Any]:
    path = value.get("path")
    fetched = web and isinstance(path, str) and path.startswith(WEB)
    if not isinstance(path, str) or not (fetched or knows(path)):
        raise RefusedError(REFUSAL)
    name = value.get("orig_name")
    # Leave out `url`, which some components prefer to the path, and `is_stream`, which skips Gradio's checks.
    return {"path": path, "orig_name": name if isinstance(name, str) else None, "meta": MARK}
