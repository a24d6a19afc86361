"""Write files for the session being served."""

import io

import gradio as gr
from gradio.processing_utils import hash_bytes
from PIL import Image

from dgrl.app.files import register_output, session_files
from dgrl.figures import png_file
from dgrl.files import replacing
from dgrl.images import RGB


def picture_file(picture: RGB | Image.Image, name: str, suffix: str = "png") -> str:
    """Write a picture where Gradio serves its files, and return the path. PNG is written fast rather than small."""
    if suffix == "png":
        return output_file(png_file(picture), f"{name}.png")
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, suffix, quality=92)
    return output_file(buffer.getvalue(), f"{name}.{suffix}")


def output_file(content: bytes, name: str) -> str:
    """Write a file where Gradio serves its files, for the session being served, and return the path."""
    path = session_files().folder / hash_bytes(content) / name
    register_output(path)
    try:
        with replacing(path) as partial:  # two sessions may be sent the same file at once
            partial.write_bytes(content)
    except OSError as error:
        reason = getattr(error.__cause__ or error, "strerror", None)
        message = f"The server cannot write the file ({reason}); please try again later."
        raise gr.Error(message, title="No result", print_exception=False) from error
    return str(path)
