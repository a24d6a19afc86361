"""Coverage-guided fuzzing of the readers of untrusted files: `python -m tests.helpers.fuzz READER SECONDS [FILE …]`.

READER is caffe, image or trace. Needs atheris, which exists for Linux only. CI runs each reader for seconds
(`tests/test_fuzz.py`), `make soak` for minutes; libFuzzer's own flags may follow. Inputs that crash a reader go
to `crash-*` in the working directory; given as FILE, it is tried again, alone.
"""

import dataclasses
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["dgrl", "PIL"]):
    import dgrl.caffe.format
    import dgrl.images
    import dgrl.trace

from dgrl import DGRL
from tests.helpers.caffe_files import write_model
from tests.helpers.caffe_network import brn_network
from tests.helpers.hostile import FORMATS, encoded, photo
from tests.helpers.networks import TINY, filled

LONGEST = 200_000


def one_sentence(error: Exception) -> None:
    """Return the message for a person, in one line."""
    if not 10 < len(str(error)) < 500 or "\n" in str(error):
        raise RuntimeError(f"this is not a sentence: {error}")


def read_caffe(path: Path) -> None:
    """Read every layer, or raise an error of one sentence."""
    try:
        for _, blobs in dgrl.caffe.format.read_layers(path):
            assert all(blob.values.size <= LONGEST for blob in blobs)
    except dgrl.caffe.format.CaffeError as error:
        one_sentence(error)


def read_image(path: Path) -> None:
    """Read a picture, or raise an error of one sentence."""
    try:
        picture = dgrl.images.read_image(path, max_pixels=1_000_000)
        assert picture.shape[2] == 3
        assert 0 < picture.size <= 3_000_000
    except dgrl.images.ImageError as error:
        one_sentence(error)


def read_trace(path: Path) -> None:
    """Read a trace, or raise an error of one sentence; never unpickle."""
    try:
        dgrl.trace.Trace.load(path)
    except ValueError as error:
        one_sentence(error)


def seeds(reader: str, folder: Path) -> None:
    """Write the sound files that the fuzzing begins with."""
    folder.mkdir()
    if reader == "caffe":
        write_model(folder / "brn", brn_network()[:12])
    elif reader == "trace":
        write_trace(folder / "trace")
    else:
        for kind in FORMATS.values():
            (folder / kind).write_bytes(encoded(photo(size=(9, 13)), kind))


def write_trace(path: Path) -> None:
    """Write a small valid trace."""
    model = filled(DGRL(dataclasses.replace(TINY, rln_size=32, brn_size=8, steps=0)))
    model.trace(np.zeros((5, 6, 3), np.uint8)).save(path.with_suffix(".npz"))


def main() -> None:
    """Fuzz one reader for a number of seconds."""
    reader, seconds, *more = sys.argv[1:]
    flags, files = [word for word in more if word.startswith("-")], [word for word in more if not word.startswith("-")]
    read = {"caffe": read_caffe, "image": read_image, "trace": read_trace}[reader]
    with tempfile.TemporaryDirectory() as folder:
        seeds(reader, Path(folder) / "seeds")
        candidate = Path(folder) / "candidate"

        def try_it(content: bytes) -> None:
            candidate.write_bytes(content)
            read(candidate)

        limits = [*flags, "-timeout=10", "-rss_limit_mb=4000", f"-max_len={LONGEST}", "-seed=1", "-verbosity=0"]
        corpus = files or [f"-max_total_time={seconds}", str(Path(folder) / "seeds")]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", *corpus], try_it)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
