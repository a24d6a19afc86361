"""Download everything: a zip of PNGs, `trace.npz` and the report of a pass."""

import io
import tempfile
import zipfile
from pathlib import Path

import gradio as gr

from dgrl import __version__
from dgrl.app.files import visitor_files
from dgrl.app.parts import Source, served_file
from dgrl.app.runs import View
from dgrl.explorer.report import write_report

# Whoever pressed the button wants the file, not a link to press next. The link stays for those whose browser refuses.
FETCH = "() => setTimeout(() => document.querySelector('#everything a[download]')?.click(), 100)"
PACKED = frozenset({".png", ".npz"})  # packed in themselves


def archive(view: View, photo: str, checkpoint: str) -> bytes:
    """The zip file. The same pass gives the same bytes, so that it is kept once however often it is asked for."""
    name = Path(photo).name
    facts = {"photo": name, "checkpoint": checkpoint, "ran on": view.machine, "program": f"dgrl {__version__}"}
    buffer = io.BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="report-", dir=visitor_files().folder) as temporary,
        zipfile.ZipFile(buffer, "w") as packed,
    ):
        folder = Path(temporary)
        write_report(view.trace, folder, facts)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{Path(photo).stem}_dgrl/{path.relative_to(folder).as_posix()}")
            entry.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def add(source: Source) -> None:
    """Lay button and file out inside the current `gr.Blocks`."""
    with gr.Column(min_width=320):
        button = gr.Button("Download everything (ZIP)", size="md")
        file = gr.File(
            label="PNGs of every map, trace.npz with every number, report.html to read",
            visible=False,
            interactive=False,
            elem_id="everything",
        )

    def report(photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> str:
        """Pack everything that a pass computed into one file.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            A zip file: report.html, a page that explains the pass and needs nothing else; README.txt, which names every
            array of trace.npz; trace.npz, every number (numpy.load reads it); saliency.png; every map and figure as
            PNG.
        """
        view = source.view(photo, checkpoint, steps, request)
        name = f"{Path(str(photo)).stem}_dgrl.zip"
        return served_file(archive(view, str(photo), checkpoint), name)

    done = button.click(report, source.inputs, file, api_name="report", concurrency_limit=1, show_progress_on=button)
    shown = done.success(lambda: gr.File(visible=True), None, file, queue=False, api_visibility="private")
    shown.success(None, js=FETCH)
