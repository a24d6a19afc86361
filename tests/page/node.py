"""Call the page's JavaScript functions from Python tests, in Node.js."""

import base64
import json
import os
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from dgrl.page import FOLDER

SCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
const KINDS = { Float32Array, Uint8Array, Uint8ClampedArray };
const revive = (_, value) => {
  if (value?.kind === "ArrayBuffer") return Uint8Array.from(Buffer.from(value.text, "base64")).buffer;
  return value?.kind in KINDS ? KINDS[value.kind].from(value.values) : value;
};
const plain = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
const functions = await import(process.argv[1]);
const calls = JSON.parse(readFileSync(0, "utf8"), revive);
const results = await Promise.all(calls.map(async ([name, ...args]) => (await functions[name](...args)) ?? null));
writeFileSync(1, JSON.stringify(results, plain));
"""
TYPES = {"float32": "Float32Array", "uint8": "Uint8Array", "bool": "Uint8Array"}


def node() -> str:
    """Return the path of Node.js; if it is missing, skip the test, or fail it in continuous integration."""
    result = shutil.which("node")
    if result is None:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("the tests of the page's scripts need Node.js 20 or newer")
    return str(result)


def call(module: str, *calls: tuple[Any, ...]) -> list[Any]:
    """Return what functions of a module return for their arguments.

    Args:
        module: path of the file below dgrl/page.
        calls: names of functions with their arguments. NumPy arrays become flat typed arrays; returned typed arrays
            become lists.
    """
    text = json.dumps(calls, default=_typed)
    command = [node(), "--input-type=module", "-e", SCRIPT, (FOLDER / module).as_uri()]
    completed = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    results: list[Any] = json.loads(completed.stdout)
    return results


def clamped(values: np.ndarray) -> dict[str, Any]:
    """Return bytes as the pixels of a canvas."""
    return {"kind": "Uint8ClampedArray", "values": values.ravel().tolist()}


def buffer(data: bytes) -> dict[str, Any]:
    """Return bytes as an ArrayBuffer."""
    return {"kind": "ArrayBuffer", "text": base64.b64encode(data).decode()}


def _typed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"kind": TYPES[value.dtype.name], "values": value.ravel().astype(float).tolist()}
    return value.item()
