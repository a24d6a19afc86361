"""Files that the app writes for whom it answers."""

import io

import gradio as gr
from gradio.processing_utils import hash_bytes
from PIL import Image

from dgrl.app.files import visitor_files, written
from dgrl.figures import png_file
from dgrl.files import replacing
from dgrl.images import RGB


def picture_file(picture: RGB | Image.Image, name: str, suffix: str = "png") -> str:
    """Write a picture where Gradio serves its files; the path. PNG is written fast rather than small."""
    if suffix == "png":
        return served_file(png_file(picture), f"{name}.png")
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, suffix, quality=92)
    return served_file(buffer.getvalue(), f"{name}.{suffix}")


def served_file(content: bytes, name: str) -> str:
    """Write a file where Gradio serves its files, for the visitor who is answered (`dgrl.app.files`); the path."""
    path = visitor_files().folder / hash_bytes(content) / name
    written(path)
    try:
        with replacing(path) as partial:  # two visitors may be given the same file at once
            partial.write_bytes(content)
    except OSError as error:
        reason = getattr(error.__cause__ or error, "strerror", None)
        message = f"The server cannot write it ({reason}); please try again later."
        raise gr.Error(message, title="No result", print_exception=False) from error
    return str(path)
