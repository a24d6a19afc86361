"""What visitors draw in Gradio's editor: few layers, few pixels, few bytes, in all and for each of them."""

import io
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from gradio.components.image_editor import AcceptBlobs
from PIL import Image

from dgrl.app.passes import MAX_PIXELS
from dgrl.app.payloads import paths

LAYER_BYTES, LAYERS = 8 * 2**20, 2
DRAWINGS = 8
"""Of one visitor: Gradio makes an editor for each of them."""
ALL_BYTES = 64 * 2**20
"""Of all visitors' drawings that wait to be used."""
TITLE = "This painting cannot be used"
Key = tuple[int, str]  # the editor (Gradio makes one for each visitor), and the drawing's name


class Drawings:
    """Counts the bytes of all drawings, and forgets those that were sent longest ago."""

    def __init__(self) -> None:
        self._bytes: OrderedDict[Key, int] = OrderedDict()
        self._editors: WeakValueDictionary[int, gr.ImageEditor] = WeakValueDictionary()
        self._lock = threading.Lock()

    def keep(self, editor: gr.ImageEditor, data: AcceptBlobs) -> None:
        """What Gradio's editor calls for each layer, with bounds: its own has none."""
        index, name = str(data.data.get("index") or 0), str(data.data.get("id"))
        content = data.files[0][1] if data.files else b""
        if index not in ("null", *map(str, range(LAYERS))) or len(content) > LAYER_BYTES or len(name) > 100:
            raise gr.Error("The painting is too large.", title=TITLE, print_exception=False)
        with self._lock:
            gradio_accept_blobs(editor, data)
            self._editors[id(editor)] = editor
            self._bytes[id(editor), name] = self._bytes.pop((id(editor), name), 0) + len(content)
            own = [key for key in self._bytes if key[0] == id(editor)]
            for key in own[:-DRAWINGS]:
                self._forget(key)
            while sum(self._bytes.values()) > ALL_BYTES:
                self._forget(next(iter(self._bytes)))

    def _forget(self, key: Key) -> None:
        del self._bytes[key]
        editor = self._editors.get(key[0])
        if editor is not None:
            editor.blob_storage.pop(key[1], None)


def check_drawing(editor: gr.ImageEditor, value: dict[str, Any]) -> None:
    """An error for the visitor if a drawing has more layers or pixels than the app's editor gives it."""
    sent = editor.blob_storage.get(value.get("id") or "")
    blobs = [sent.background, sent.composite, *sent.layers] if sent is not None else []
    files: list[Any] = [*map(Path, paths(value)), *(io.BytesIO(blob) for blob in blobs if blob is not None)]
    if len(files) > LAYERS + 2:
        raise gr.Error("A drawing has one layer.", title=TITLE, print_exception=False)
    for file in files:
        try:
            with Image.open(file) as image:
                pixels = image.width * image.height
        except Exception:  # Pillow's are of many kinds
            pixels = MAX_PIXELS + 1
        if pixels > MAX_PIXELS:
            message = f"The painting is no picture, or has more than {MAX_PIXELS:,} pixels."
            raise gr.Error(message, title=TITLE, print_exception=False)


gradio_accept_blobs = gr.ImageEditor.accept_blobs
drawings = Drawings()


def accept_blobs(self: gr.ImageEditor, data: AcceptBlobs) -> None:
    """Stands in for Gradio's own."""
    drawings.keep(self, data)


accept_blobs._is_server_fn = True  # type: ignore[attr-defined]
