"""What a visitor may cost the server: bytes of a request, room on the disk, pixels of a drawing; no addresses."""

import atexit
import io
import shutil
import weakref
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.image_editor import AcceptBlobs
from gradio.utils import get_upload_folder
from PIL import Image

from dgrl.app.passes import MAX_PIXELS

MOST_BYTES = 44 * 2**20  # of a request: the largest upload and what is around it
LEAST_FREE = 2**29  # bytes of the disk
DRAWING_BYTES, DRAWING_LAYERS, DRAWINGS = 8 * 2**20, 2, 32
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class TooLargeError(Exception):
    """A request has more bytes than it may have."""


class Limits:
    """ASGI middleware around Gradio's server: it ends requests that are too large, and uploads when the disk is full.

    What Gradio wrote of an upload that did not end well is handed to Gradio to be deleted with the other files: by
    itself it forgets it.
    """

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        upload = scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/upload")
        if upload and _disk_is_full():
            return await _say(send, 507, "The server's disk is full; please try again later.")
        came, status = 0, 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                raise TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except TooLargeError:
            if not status:
                await _say(send, 413, f"A request may have {MOST_BYTES // 2**20} MB and no more.")
        finally:
            if upload and status != 200:
                scope["app"].get_blocks().upload_file_set.update(map(str, Path(get_upload_folder()).glob("tmp*")))


def guard(app: gr.Blocks) -> None:
    """Check what every event of `app` is given, before Gradio looks at it."""
    preprocess = app.preprocess_data

    # Of the app, not of its components: Gradio builds those anew when an event alters them.
    async def checked(block_fn: Any, inputs: list[Any], state: Any, *more: Any, **settings: Any) -> Any:
        # Gradio would fetch it, however large. The tools of MCP have no other way to give a picture.
        if not app.mcp_server_obj and any(path.startswith(("http://", "https://")) for path in _paths(inputs)):
            message = "Give the picture itself, not its address on the web."
            raise gr.Error(message, title="This picture cannot be used", print_exception=False)
        for block, value in zip(block_fn.inputs, inputs, strict=False):
            if isinstance(block, gr.ImageEditor) and isinstance(value, dict):
                live = state[block._id] if state is not None and block._id in state else block
                _check_drawing(live, value)
        try:
            return await preprocess(block_fn, inputs, state, *more, **settings)
        except gr.Error:
            raise
        except Exception as error:  # of many kinds; Gradio would answer with no word
            message = "An argument is of the wrong kind; the link to the API below says what each one may be."
            raise gr.Error(message, title="This cannot be asked", print_exception=False) from error

    app.preprocess_data = checked  # type: ignore[method-assign]
    gr.ImageEditor.accept_blobs = _accept_blobs  # type: ignore[method-assign]


def forget(app: gr.Blocks) -> None:
    """Delete what visitors of `app` left on the disk when the process ends.

    Gradio means to, but gives its server five seconds: too few for thousands of files, or while a page is open.
    """
    served = weakref.ref(app)

    def delete() -> None:
        if (app := served()) is None:
            return
        kept = {file for block in app.blocks.values() for file in getattr(block, "keep_in_cache", ())}
        # Copies: Gradio may be at it still.
        for file in {file for files in list(app.temp_file_sets) for file in list(files)} - kept:
            Path(file).unlink(missing_ok=True)

    atexit.register(delete)


def _check_drawing(editor: gr.ImageEditor, value: dict[str, Any]) -> None:
    """An error for the visitor if a drawing has more layers or pixels than the app's editor gives it."""
    folder = Path(get_upload_folder()).resolve()
    inside = [path for path in map(Path, _paths(value)) if path.resolve().is_relative_to(folder) and path.is_file()]
    sent = editor.blob_storage.get(value.get("id") or "")
    blobs = [sent.background, sent.composite, *sent.layers] if sent is not None else []
    files: list[Any] = [*inside, *(io.BytesIO(blob) for blob in blobs if blob is not None)]
    if len(files) > DRAWING_LAYERS + 2:
        raise gr.Error("A drawing has one layer.", title="This painting cannot be used", print_exception=False)
    for file in files:
        try:
            with Image.open(file) as image:
                pixels = image.width * image.height
        except Exception:  # Pillow's are of many kinds
            pixels = MAX_PIXELS + 1
        if pixels > MAX_PIXELS:
            message = f"The painting is no picture, or has more than {MAX_PIXELS:,} pixels."
            raise gr.Error(message, title="This painting cannot be used", print_exception=False)


def _accept_blobs(self: gr.ImageEditor, data: AcceptBlobs) -> None:
    """Gradio's own, with bounds: it makes a list as long as the visitor says, and keeps every drawing for ever."""
    index = str(data.data.get("index") or 0)
    if index not in ("null", *map(str, range(DRAWING_LAYERS))) or len(data.files[0][1]) > DRAWING_BYTES:
        raise gr.Error("The painting is too large.", print_exception=False)
    while len(self.blob_storage) >= DRAWINGS and data.data["id"] not in self.blob_storage:
        del self.blob_storage[next(iter(self.blob_storage))]
    _gradio_accept_blobs(self, data)


_gradio_accept_blobs = gr.ImageEditor.accept_blobs
_accept_blobs._is_server_fn = True  # type: ignore[attr-defined]


def _paths(value: Any) -> Iterator[str]:
    """Every path of a file in what an event was given."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _paths(entry)


def _disk_is_full() -> bool:
    folder = Path(get_upload_folder()).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free < LEAST_FREE


async def _say(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
