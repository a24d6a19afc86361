"""Raw HTTP requests to the running app, to any endpoint that the app lists, as an attacker would write them."""

import json
import time
from typing import Any

import httpx

MARK = {"_type": "gradio.FileData"}


def file(path: object, **more: Any) -> dict[str, Any]:
    """Return a file as Gradio's own page sends it."""
    return {"path": str(path), "meta": MARK, **more}


def upload(http: httpx.Client, *contents: bytes, name: str = "a.png") -> httpx.Response:
    return http.post("upload", files=[("files", (name, content)) for content in contents])


def endpoints(http: httpx.Client) -> list[dict[str, Any]]:
    """Return every endpoint that the app lists, with its arguments' names and default values."""
    config = http.get("../config").json()
    result = [dependency for dependency in config["dependencies"] if dependency["backend_fn"]]
    blocks = {block["id"]: block for block in config["components"]}
    for dependency in result:
        dependency["values"] = [blocks[number]["props"].get("value") for number in dependency["inputs"]]
        dependency["names"] = [blocks[number]["props"]["label"] for number in dependency["inputs"]]
    return result


def ask(http: httpx.Client, number: int, data: list[Any], session: str = "") -> dict[str, Any]:
    """Return an endpoint's response: `success`, and `output` with `data` or `error`."""
    session = session or f"session{time.monotonic_ns()}"
    body = {"fn_index": number, "data": data, "session_hash": session}
    joined = http.post("queue/join", json=body)
    if joined.status_code != 200:
        return {"success": False, "output": joined.json()}
    with http.stream("GET", "queue/data", params={"session_hash": session}) as answer:
        for line in answer.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line else {"msg": ""}
            if message["msg"] == "process_completed":
                return message
    raise AssertionError("no answer")
