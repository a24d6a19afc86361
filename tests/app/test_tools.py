"""The endpoints as tools of the Model Context Protocol, called by the protocol's own client."""

import asyncio
import base64
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrl import DGRL
from dgrl.app.server import build
from dgrl.taps import flatten_map
from tests.app.conftest import page_folder

pytest.importorskip("mcp", reason="needs gradio[mcp]")

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


@pytest.fixture(scope="module")
def url(network: DGRL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = build({"tiny": network}, precision="fp32", folder=page_folder(tmp_path_factory.mktemp("page")))
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, mcp_server=True)
    yield address
    app.get_blocks().close()


def call(url: str, tool: str, **arguments: Any) -> list[Any]:
    """Return a tool's response: pieces of text and pictures."""

    async def ask() -> Any:
        async with (
            streamablehttp_client(f"{url}gradio_api/mcp/") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            (name,) = (name for name in names if name.endswith(tool))
            return await session.call_tool(name, arguments)

    with ThreadPoolExecutor() as pool:  # an earlier browser test may have left a running event loop in this thread
        answer = pool.submit(asyncio.run, ask()).result()
    assert not answer.isError, answer.content
    return answer.content


def test_every_endpoint_is_a_tool_with_few_required_arguments(url: str) -> None:
    with urllib.request.urlopen(f"{url}gradio_api/mcp/schema", timeout=60) as answer:
        tools = json.load(answer)
    with urllib.request.urlopen(f"{url}gradio_api/info", timeout=60) as answer:
        endpoints = json.load(answer)["named_endpoints"]
    assert len(tools) == len(endpoints) == 8
    for tool in tools:
        required = ["photo", "mask"] if tool["name"].endswith("measure") else ["photo"]
        assert tool["inputSchema"]["required"] == required
        assert {"photo", "checkpoint", "steps"} <= set(tool["inputSchema"]["properties"])
        assert len(tool["description"]) > 40


def test_what_if_with_the_photo_alone(url: str, network: DGRL, photo_files: dict[str, Path]) -> None:
    content = base64.b64encode(photo_files["wide"].read_bytes()).decode()
    answered = call(url, "what_if", photo=f"data:image/png;base64,{content}")
    numbers = json.loads(answered[-1].text)
    refined = numbers["refined"]["mean_absolute_difference"]
    levels = ("conv3", "conv4", "conv5")
    altered = network.trace(photo_files["wide"], edits=[flatten_map(level) for level in levels])
    difference = np.abs(altered.saliency - network.trace(photo_files["wide"]).saliency).mean()
    assert refined == pytest.approx(difference, abs=1e-4)
    assert [edit["level"] for edit in numbers["edits"]] == list(levels)
    assert [part.type for part in answered[:-1]] == ["image", "text"] * 3, "three pictures, each with its address"


def test_numbers_are_json(url: str, network: DGRL, photo_files: dict[str, Path]) -> None:
    content = base64.b64encode(photo_files["wide"].read_bytes()).decode()
    (piece,) = call(url, "pixel", photo=f"data:image/png;base64,{content}", x=70, y=40)
    expected = network.trace(photo_files["wide"]).pixel(70, 40)
    assert json.loads(piece.text)["refined"] == pytest.approx(expected.refined, abs=1e-5)


def test_a_box_says_which_object_is_meant(url: str, network: DGRL, photo_files: dict[str, Path]) -> None:
    content = base64.b64encode(photo_files["wide"].read_bytes()).decode()
    *_, result = call(url, "detect", photo=f"data:image/png;base64,{content}", box=[20, 10, 90, 80], cutout=False)
    expected = network.detect(photo_files["wide"], box=(20, 10, 90, 80)) > 0.5
    assert json.loads(result.text)["share"] == pytest.approx(expected.mean(), abs=0.01)
    with urllib.request.urlopen(f"{url}gradio_api/mcp/schema", timeout=60) as answer:
        (schema,) = (tool["inputSchema"] for tool in json.load(answer) if tool["name"].endswith("detect"))
    assert "around the object that is meant" in json.dumps(schema["properties"]["box"])
    assert {"box", "point", "matting"} <= set(schema["properties"])
