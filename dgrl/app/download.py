"""Download everything: a zip of PNGs, `trace.npz` and the report of a pass."""

import io
import tempfile
import zipfile
from pathlib import Path

from dgrl import __version__
from dgrl.app.files import session_files
from dgrl.app.runs import View
from dgrl.report import write_report

PACKED = frozenset({".png", ".npz"})  # formats that are compressed already


def archive(view: View, photo: str, checkpoint: str) -> bytes:
    """Return the zip file. The same pass gives the same bytes, so only one copy is stored."""
    name = Path(photo).name
    facts = {"photo": name, "checkpoint": checkpoint, "ran on": view.machine, "program": f"dgrl {__version__}"}
    buffer = io.BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="report-", dir=session_files().folder) as temporary,
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
