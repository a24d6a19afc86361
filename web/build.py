"""Builds the static page: `python -m web.build [--weights W] [--out FOLDER] [--exact]`; `make web` calls it.

The folder then holds everything that the page asks for: its own files (`web/page`), the explorer of `dgrl/explorer`,
onnxruntime-web from `node_modules`, the checkpoint as graphs and weights, the example photos, and licences.
"""

import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import dgrl.explorer
from dgrl import DGRL
from dgrl.checkpoint import CARD_FILE, default_weights
from dgrl.experiments import sizes_of
from dgrl.experiments.links import offered
from dgrl.explorer.bundle import COLOURS, SUM_DECIMALS, palette_of
from dgrl.files import EXAMPLES
from dgrl.trace import FOUND, SMALLEST_OBJECT
from web.graphs import config_for_page, saved, write_graphs

HERE = Path(__file__).parent
ROOT = HERE.parent
EXPLORER = Path(dgrl.explorer.__file__).parent
APP = EXPLORER.parent / "app"
RUNTIME = ROOT / "node_modules" / "onnxruntime-web"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
LATER = ("ort.webgpu.min.mjs", "asyncify")
"""Of the runtime, what is loaded and kept only where there is a GPU."""
PHOTOS = (".jpg", ".png")
MOVED = {
    "../../dgrl/explorer/script/": "./explorer/",
    "../../explorer/script/": "./explorer/",
    "../../dgrl/app/script/": "./app/",
}
SHARED = (
    "script/altering.js",
    "script/experiments.js",
    "script/explaining.js",
    "script/links.js",
    "script/storing.js",
    "script/undoing.js",
    "app.css",
)
"""Of the app: its panels Alter, with what undoes it, and Why; experiments, links, what a reload keeps, looks."""


def build(out: Path, weights: str, exact: bool = False) -> dict[str, Any]:
    """Fill `out`, which is emptied first; returns the manifest.

    Args:
        out: the folder.
        weights: the checkpoint.
        exact: keep the weights in float32; else they are stored in half precision.
    """
    if not RUNTIME.is_dir():
        raise SystemExit("onnxruntime-web is not there: npm ci")
    model = DGRL.from_pretrained(weights)
    about = config_for_page(model)
    if out.exists():
        shutil.rmtree(out)
    shutil.copytree(HERE / "page", out)
    shutil.copytree(EXPLORER / "script", out / "explorer")
    (out / "app").mkdir()
    for name in SHARED:
        shutil.copy(APP / name, out / "app")
    for script in [*out.glob("*.js"), *(out / "app").glob("*.js")]:  # in the repository they stand elsewhere
        text = script.read_text(encoding="utf-8")
        for there, here in MOVED.items():
            text = text.replace(there, here if script.parent == out else f".{here}")
        script.write_text(text, encoding="utf-8")
    shutil.copy(EXPLORER / "explorer.css", out / "explorer")
    copy_runtime(out / "ort")
    (out / "model").mkdir()
    graphs = write_graphs(model, out / "model", half=not exact)
    manifest = {
        "name": Path(weights).name,
        "config": about,
        "graphs": graphs,
        "colours": {kind: palette_of(name) for kind, name in COLOURS.items()},
        "decimals": {"coefficients": 6, "sums": SUM_DECIMALS},
        "found": {"above": FOUND, "least": SMALLEST_OBJECT},
        "photos": copy_photos(out / "photos"),
        "experiments": offered(sizes_of(weights)),
        "version": dgrl.__version__,
    }
    saved(manifest, out / "manifest.json")
    copy_licences(out / "licences", Path(weights))
    write_front_matter(out)
    write_service_worker(out)
    return manifest


def copy_runtime(folder: Path) -> None:
    """The files of onnxruntime-web that the page loads."""
    folder.mkdir()
    for name in RUNTIME_FILES:
        text = RUNTIME / "dist" / name
        if name.endswith(".mjs"):  # its map of the source is not there
            script = re.sub(r"\n//# sourceMappingURL=.*", "", text.read_text(encoding="utf-8"))
            (folder / name).write_text(script, encoding="utf-8")
        else:
            shutil.copy(text, folder)


def copy_photos(folder: Path) -> list[str]:
    """The example photographs, and their names."""
    folder.mkdir()
    photos = sorted(path for path in EXAMPLES.iterdir() if path.suffix in PHOTOS)
    for photo in photos:
        shutil.copy(photo, folder)
    return [photo.name for photo in photos]


def copy_licences(folder: Path, weights: Path) -> None:
    """What the page is made of, and under which licences: its own, the runtime's, the photos', the weights'."""
    folder.mkdir()
    package = json.loads((RUNTIME / "package.json").read_text(encoding="utf-8"))
    shutil.copy(ROOT / "LICENSE", folder / "DGRL.txt")
    shutil.copy(HERE / "licences" / "onnxruntime.txt", folder / "onnxruntime-web.txt")
    shutil.copy(EXAMPLES / "README.md", folder / "photos.md")
    if (weights / CARD_FILE).is_file():
        shutil.copy(weights / CARD_FILE, folder / "weights.md")
    lines = [
        "DGRL (page, explorer): Apache-2.0, DGRL.txt",
        f"onnxruntime-web {package['version']} ({package['license']}): onnxruntime-web.txt",
        "Example photographs: photos.md",
        "Weights: weights.md",
    ]
    (folder / "README.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def write_front_matter(out: Path) -> None:
    """What makes the folder a static Space of Hugging Face, isolated, so that WebAssembly may use threads."""
    settings = {
        "title": "DGRL in the browser",
        "emoji": "🔦",
        "colorFrom": "blue",
        "colorTo": "gray",
        "sdk": "static",
        "app_file": "index.html",
        "license": "apache-2.0",
    }
    headers = {
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "cross-origin",
    }
    lines = [f"{name}: {value}" for name, value in settings.items()]
    lines += ["custom_headers:", *(f"  {name}: {value}" for name, value in headers.items())]
    words = "Find the salient object of a photo and see how it was found. No photo leaves the browser."
    (out / "README.md").write_text("\n".join(["---", *lines, "---", "", words, ""]), encoding="utf-8")


def write_service_worker(out: Path) -> None:
    """Fill in what is to be kept for working offline, and a name that changes with any of it."""
    kept: dict[str, int] = {}
    digest = hashlib.sha256()
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        digest.update(name.encode() + path.read_bytes())
        if name != "sw.js" and not any(part in name for part in LATER):
            kept[name] = path.stat().st_size
    script = (out / "sw.js").read_text(encoding="utf-8")
    script = script.replace("/* KEPT */ {}", json.dumps({"./": kept["index.html"], **kept}, indent=2))
    script = script.replace("/* VERSION */", digest.hexdigest()[:16])
    (out / "sw.js").write_text(script, encoding="utf-8")


def main() -> None:
    """Build, and say what was built."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="checkpoint folder; by default the one that ships")
    parser.add_argument("--out", type=Path, default=HERE / "dist")
    parser.add_argument("--exact", action="store_true", help="weights in float32: twice as large")
    arguments = parser.parse_args()
    build(arguments.out, arguments.weights or default_weights(), arguments.exact)
    sizes = {path.relative_to(arguments.out).as_posix(): path.stat().st_size for path in arguments.out.rglob("*.*")}
    first = sum(size for name, size in sizes.items() if not any(part in name for part in LATER))
    print(f"{arguments.out}: {sum(sizes.values()) / 1e6:.1f} MB, of which a first visit loads {first / 1e6:.1f} MB")
    print(f"try it: python -m http.server -d {arguments.out}")


if __name__ == "__main__":
    main()
