"""Build the static page: `python -m web.build [--weights W] [--out FOLDER] [--exact]`; `make web` calls it.

The folder contains all files of the page. Its program is made of the modules of `dgrl/page` that the browser engine
needs, onnxruntime-web from `node_modules`, and a service worker. Its data are the checkpoint as graphs and weights,
example photos with their stored passes, and licences.
"""

import argparse
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from dgrl import DGRL, __version__
from dgrl.bundle import bundle
from dgrl.checkpoint import CARD_FILE, default_weights
from dgrl.evaluation.survey import Survey
from dgrl.evaluation.survey.table import Plan
from dgrl.experiments import sizes_of
from dgrl.experiments.tour import tour
from dgrl.files import EXAMPLES
from dgrl.page import FOLDER
from dgrl.taps import LEVELS
from web.graphs import config_for_page, write_graphs, write_manifest

HERE = Path(__file__).parent
ROOT = HERE.parent
RUNTIME = ROOT / "node_modules" / "onnxruntime-web"
RUNTIMES = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
"""Files of onnxruntime-web by backend; the last one of each is compressed."""
ENTRIES = ("main.js", "engines/browser.js", "engines/worker/worker.js")
"""Modules of `dgrl/page` that the page starts with; the modules that they import are copied too."""
STYLES = ("page.css", "survey/survey.css")
OWN = ("start.js", "isolate.js", "sw.js")
PHOTOS = (".jpg", ".png")
STORED = ("astronaut", "otters")
"""Photos with stored passes: the page's first photo, and the photo of the tour's first experiment."""
THUMBNAIL = 160
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
    "form-action 'none'; base-uri 'none'"
)
"""The page's content security policy: it can only request files of its own site."""
IMPORT = re.compile(r'^(?:import|export)\s(?:[^"]*?\sfrom\s+)?"(\.[^"]+)"', re.MULTILINE)


def build(out: Path, weights: str, exact: bool = False) -> dict[str, Any]:
    """Empty `out`, fill it and return the manifest.

    Args:
        out: the folder.
        weights: the checkpoint.
        exact: store the weights in float32 instead of half precision.

    Raises:
        SystemExit: onnxruntime-web is not installed, or the page cannot run the checkpoint.
    """
    if not RUNTIME.is_dir():
        raise SystemExit("onnxruntime-web is not installed: npm ci")
    model = DGRL.from_pretrained(weights)
    settings = config_for_page(model)
    if out.exists():
        shutil.rmtree(out)
    (out / "model").mkdir(parents=True)
    copy_page(out)
    for name in OWN:
        script = (HERE / name).read_text(encoding="utf-8")
        (out / name).write_text(script.replace('"../dgrl/page/', '"./'), encoding="utf-8")
    wasm = copy_runtime(out / "ort")
    graphs = write_graphs(model, out / "model", half=not exact)
    network = sum(compress(file) for file in list((out / "model").iterdir()))
    manifest = {
        "name": Path(weights).name,
        "config": settings,
        "graphs": graphs,
        "wasm": wasm,
        "download": {backend: network + (out / file).stat().st_size for backend, file in wasm.items()},
        "photos": copy_photos(out, model),
        "experiments": tour(sizes_of(weights)),
        "survey": empty_surveys(model, Path(weights).name),
        "version": __version__,
    }
    write_manifest(manifest, out / "manifest.json")
    copy_licences(out / "licences", Path(weights))
    write_front_matter(out)
    write_service_worker(out)
    return manifest


def empty_surveys(model: DGRL, name: str) -> dict[str, Any]:
    """Return the tables of surveys without pictures, with masks and without."""
    levels = tuple(LEVELS) if model.config.context else ()
    plans = {
        kind: Plan((name,), model.config.steps, levels, kind == "masked", False) for kind in ("masked", "unmasked")
    }
    return {kind: Survey(plan, []).for_page() for kind, plan in plans.items()}


def modules(*entries: str) -> list[str]:
    """Return the paths of modules and of all modules that they import, below `dgrl/page`."""
    names: dict[str, None] = {}
    queue = list(entries)
    while queue:
        name = queue.pop()
        if name in names:
            continue
        names[name] = None
        path = FOLDER / name
        for imported in IMPORT.findall(path.read_text(encoding="utf-8")):
            queue.append((path.parent / imported).resolve().relative_to(FOLDER.resolve()).as_posix())
    return sorted(names)


def copy_page(out: Path) -> None:
    """Copy the modules and the style sheets, and write `index.html` with the engine and the content security policy."""
    for name in (*modules(*ENTRIES), *STYLES):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / name, out / name)
    preload = [f"./{name}" for name in modules(*ENTRIES[:2])]
    settings = json.dumps({"engine": "browser", "preload": preload})
    head = Markup(
        '<script type="application/json" id="settings">{}</script>\n<link rel="preload" href="./manifest.json" '
        'as="fetch" crossorigin>\n</head>'
    ).format(Markup(settings))
    policy = Markup('<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{}">').format(
        Markup(POLICY)
    )
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    text = text.replace('<meta charset="utf-8">', policy, 1).replace("</head>", head, 1)
    (out / "index.html").write_text(text.replace("./main.js", "./start.js"), encoding="utf-8")


def copy_runtime(folder: Path) -> dict[str, str]:
    """Copy onnxruntime-web, compress its WebAssembly, and return the compressed file by backend."""
    folder.mkdir()
    packed: dict[str, str] = {}
    for backend, files in RUNTIMES.items():
        *scripts, binary = files
        for name in scripts:  # drop the last line, which names a source map that is not copied
            script = (RUNTIME / "dist" / name).read_text(encoding="utf-8")
            (folder / name).write_text(re.sub(r"\n//# sourceMappingURL=.*", "", script), encoding="utf-8")
        compress(Path(shutil.copy(RUNTIME / "dist" / binary, folder)))
        packed[backend] = f"ort/{binary}.gz"
    return packed


def compress(file: Path) -> int:
    """Replace a file by `FILE.gz`, which the page decompresses, and return its size in bytes."""
    data = gzip.compress(file.read_bytes(), mtime=0)
    file.with_name(f"{file.name}.gz").write_bytes(data)
    file.unlink()
    return len(data)


def copy_photos(out: Path, model: DGRL) -> list[dict[str, Any]]:
    """Copy the example photos and their masks, write thumbnails and stored passes, and describe them for the page."""
    for folder in ("photos/masks", "thumbnails", "stored"):
        (out / folder).mkdir(parents=True)
    described = []
    for photo in sorted(path for path in EXAMPLES.iterdir() if path.suffix in PHOTOS):
        file = Path(shutil.copy(photo, out / "photos"))
        thumbnail = out / "thumbnails" / f"{photo.stem}.jpg"
        with Image.open(photo) as picture:
            small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(thumbnail, quality=80)
        mask = EXAMPLES / "masks" / f"{photo.stem}.png"
        own_mask = Path(shutil.copy(mask, out / "photos" / "masks")) if mask.is_file() else None
        stored = None
        if photo.stem in STORED:
            stored = out / "stored" / f"{photo.stem}.bundle"
            stored.write_bytes(bundle(model.trace(photo), photo.stem, parts=("rln", "brn"), maps="rounded"))
        described.append(
            {
                "name": photo.stem,
                "file": address(file, out),
                "thumbnail": address(thumbnail, out),
                "mask": address(own_mask, out),
                "stored": address(stored, out),
            }
        )
    return described


def address(path: Path | None, out: Path) -> str | None:
    """Return a file's address, relative to the page."""
    return None if path is None else path.relative_to(out).as_posix()


def copy_licences(folder: Path, weights: Path) -> None:
    """Copy the licences of the page, the runtime, the photos and the weights."""
    folder.mkdir()
    package = json.loads((RUNTIME / "package.json").read_text(encoding="utf-8"))
    shutil.copy(ROOT / "LICENSE", folder / "DGRL.txt")
    shutil.copy(HERE / "licences" / "onnxruntime.txt", folder / "onnxruntime-web.txt")
    shutil.copy(EXAMPLES / "README.md", folder / "photos.md")
    if (weights / CARD_FILE).is_file():
        shutil.copy(weights / CARD_FILE, folder / "weights.md")
    lines = [
        "DGRL (the page): Apache-2.0, DGRL.txt",
        f"onnxruntime-web {package['version']} ({package['license']}): onnxruntime-web.txt",
        "Example photographs: photos.md",
        "Weights: weights.md",
    ]
    (folder / "README.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def write_front_matter(out: Path) -> None:
    """Write the front matter of a static Space of Hugging Face, with isolation, so that WebAssembly may use threads."""
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
    """Write the service worker with the list of files to cache, and a version that changes with any of them."""
    files = ["./"]
    digest = hashlib.sha256()
    later = {f"ort/{name}" for name in RUNTIMES["webgpu"]} | {f"ort/{RUNTIMES['webgpu'][-1]}.gz"}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        digest.update(name.encode() + path.read_bytes())
        if name != "sw.js" and name not in later:
            files.append(name)
    script = (out / "sw.js").read_text(encoding="utf-8")
    script = script.replace("/* KEPT */ []", json.dumps(files, indent=2))
    script = script.replace("/* VERSION */", digest.hexdigest()[:16])
    (out / "sw.js").write_text(script, encoding="utf-8")


def main() -> None:
    """Build the page and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="checkpoint folder; by default the one that ships")
    parser.add_argument("--out", type=Path, default=HERE / "dist")
    parser.add_argument("--exact", action="store_true", help="weights in float32: twice as large")
    arguments = parser.parse_args()
    manifest = build(arguments.out, arguments.weights or default_weights(), arguments.exact)
    first, network = first_view(arguments.out, manifest), manifest["download"]["wasm"]
    print(f"{arguments.out}: the first view needs {first / 1e6:.2f} MB, the network {network / 1e6:.1f} MB more")
    print(f"try it: python -m http.server -d {arguments.out}")


def first_view(out: Path, manifest: dict[str, Any]) -> int:
    """Return the number of bytes that the page loads before it shows its first photo with its stored pass."""
    photo = manifest["photos"][0]
    names = ["index.html", *OWN, *modules(*ENTRIES[:2]), *STYLES, "manifest.json"]
    return sum((out / name).stat().st_size for name in [*names, photo["file"], photo["thumbnail"], photo["stored"]])


if __name__ == "__main__":
    main()
