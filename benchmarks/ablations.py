"""Measure what each part of DGRL adds: `python -m benchmarks.ablations DUTS-TR RUNS [--train NAME …]`.

Trains small networks that differ in one thing each, with the same budget, measures them on the 400 validation pictures
of DUTS-TR (`validation_DUTS-TR.txt` beside the shipped weights), and prints Markdown tables. DUTS-TR holds `image` and
`mask`; each run goes to a folder of RUNS. Finished runs are skipped and interrupted ones are resumed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.timing import table
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.data.names import read_names

VALIDATION = SHIPPED_WEIGHTS / "validation_DUTS-TR.txt"

UPDATES, PICTURES, SIDE = 400, 8, 192
RLN = f"""--stage rln --backbone tf_efficientnet_lite0 --rln-size {SIDE} --size {SIDE} --batch-size {PICTURES}
    --max-updates {UPDATES} --named-share 0.4 --step-growth 2 --attention-spread 0.3 --attention-narrowing 0.8
    --attention-weight 0.15 --learning-rate 1e-3 --backbone-learning-rate 3e-4 --pictures-every 0 --workers 1"""
RLN_RUNS = {
    "full": ("everything, T = 2", ""),
    "full-seed1": ("everything, T = 2, another seed", "--seed 1"),
    "no-context": ("no CWM", "--no-context --named-share 0"),
    "one-pass": ("no recurrence, T = 0", "--steps 0"),
    "plain-feedback": ("features fed back as they are", "--feedback plain"),
    "no-named": ("no named places", "--named-share 0"),
    "no-attention-term": ("no term on the weight maps", "--attention-weight 0"),
    "shared-heads": ("one head for all steps", "--share-heads"),
    "no-region-term": ("cross-entropy alone", "--region-weight 0"),
    "no-augmentation": ("no augmentation", "--no-augment"),
    "pasting": ("another picture's object on every fifth", "--paste-share 0.2"),
    "few": ("T = 0, 320 pictures ten times each", "--steps 0 --only FEW"),
    "few-crops-0.6": ("T = 0, the same 320, crops keep 60 %", "--steps 0 --only FEW --smallest-crop 0.6"),
    "few-no-augmentation": ("T = 0, the same 320, no augmentation", "--steps 0 --only FEW --no-augment"),
}
"""Trainings of RLN from ImageNet weights: label, and the options that differ from the first."""

FEW = UPDATES * PICTURES // 10
"""Number of pictures that this budget shows ten times each. In a recipe, FEW stands for the list of these pictures and
SOURCES for the list of pictures from which BRN's crops are cut."""

CROPS_UPDATES, CROPS_SOURCES = 1500, 1000
BRN = f"""--stage brn --init {SHIPPED_WEIGHTS.name} --new-brn --stored-maps --only SOURCES --batch-size 2 --crop 112
    --crops-per-picture 3 --boundary-share 0.75 --absolute-weight 0.7 --doubt-share 0.2 --region-weight 0.5
    --max-updates {CROPS_UPDATES} --pictures-every 0 --workers 1 --precision bf16"""
BRN_RUNS = {
    **{f"brn{n}": (f"BRN, n = {n}", f"--kernel-size {n}") for n in (3, 5, 7)},
    "brn-soft": ("BRN, n = 5, on the soft map", "--prior soft"),
    "brn-published-loss": (
        "BRN, n = 5, cross-entropy alone",
        "--region-weight 0 --absolute-weight 0 --edge-weight 0 --lean-weight 0",
    ),
}
"""Trainings of BRN on the maps of the shipped RLN."""


def main() -> None:
    """Train the missing runs, measure them and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DUTS-TR")
    parser.add_argument("runs", type=Path, metavar="RUNS")
    parser.add_argument("--train", nargs="*", choices=[*RLN_RUNS, *BRN_RUNS], help="these only; by default all")
    options = parser.parse_args()
    for name, (_, changes) in (RLN_RUNS | BRN_RUNS).items():
        if options.train is None or name in options.train:
            recipe = BRN if name in BRN_RUNS else RLN
            lists = {"FEW": FEW, "SOURCES": CROPS_SOURCES}
            words = [
                str(list_some(options.data, options.runs, lists[word])) if word in lists else word
                for word in f"{recipe} {changes}".split()
            ]
            train(options.data, options.runs / name, words)
            measure(options.data, options.runs / name, refine=name in BRN_RUNS)
    print(rln_table(options.runs))
    print(brn_table(options.runs))


def list_some(data: Path, runs: Path, count: int) -> Path:
    """Write the stems of `count` training pictures, evenly spaced over their names, and return the file."""
    names = sorted({path.stem for path in (data / "image").iterdir()} - set(read_names([VALIDATION])))
    target = runs / f"{count}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(names[:: len(names) // count][:count]), "utf-8")
    return target


def train(data: Path, run: Path, recipe: list[str]) -> None:
    """Train or resume a run, unless it is finished."""
    if (run / "model.safetensors").is_file():
        return
    if any(run.glob("checkpoints/*")):
        dgrl("train", "--resume", run)
    else:
        dgrl("train", *pairs(data), "--without", VALIDATION, "--out", run, *recipe)


def measure(data: Path, run: Path, refine: bool) -> None:
    """Write `validation.json` of a run, unless it exists."""
    target = run / "validation.json"
    if not target.is_file():
        refinement = "--refine" if refine else "--no-refine"
        dgrl("evaluate", *pairs(data), "--only", VALIDATION, "--weights", run, refinement, "--json", target)


def pairs(data: Path) -> list[str | Path]:
    """Return the options that name pictures and masks."""
    return ["--images", data / "image", "--masks", data / "mask"]


def dgrl(*arguments: str | Path) -> None:
    """Run a command of DGRL; if it fails, end this program."""
    subprocess.run([sys.executable, "-m", "dgrl", *map(str, arguments)], check=True, stdout=sys.stderr)


def measured(runs: Path, names: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the finished runs' `validation.json`, by name."""
    files = {name: runs / name / "validation.json" for name in names}
    return {name: json.loads(file.read_text("utf-8")) for name, file in files.items() if file.is_file()}


def rln_table(runs: Path) -> str:
    """Return the table of RLN's variants: scores of the first and last step, and weight-map mass on the object."""
    title = f"RLN from ImageNet weights, {UPDATES} updates of {PICTURES} pictures at {SIDE}², 400 validation pictures"
    columns = [
        "variant",
        "MAE t0",
        "MAE last",
        "maxF t0",
        "maxF last",
        "S last",
        "map mass on the object, times chance",
    ]
    rows = []
    for name, results in measured(runs, RLN_RUNS).items():
        scores = list(results["scores"].values())
        first, last = scores[0], scores[-1]
        numbers = [first["MAE"], last["MAE"], first["maxF"], last["maxF"], last["S"]]
        attention = list(results["attention"].values())[-1].values() if results["attention"] else []
        shares = ", ".join(f"{value:.2f}" for value in attention) or "–"
        rows.append([RLN_RUNS[name][0], *(f"{number:.4f}" for number in numbers), shares])
    return f"{title}\n\n{table(columns, rows)}\n"


def brn_table(runs: Path) -> str:
    """Return the table of BRN's variants, with the map that all of them refine."""
    title = f"BRN, {CROPS_UPDATES} updates of 6 crops, on the maps of {SHIPPED_WEIGHTS.name}; 400 validation pictures"
    columns = ["MAE", "maxF", "S", "boundaryF"]
    scores: dict[str, Any] = {}
    for name, results in measured(runs, BRN_RUNS).items():
        *_, scores["no BRN"], scores[BRN_RUNS[name][0]] = results["scores"].values()
    rows = [[label, *(f"{row[column]:.4f}" for column in columns)] for label, row in scores.items()]
    return f"{title}\n\n{table(['variant', *columns], rows)}"


if __name__ == "__main__":
    main()
