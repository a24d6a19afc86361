"""The app behind a reverse proxy that shows it below a path."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from gradio_client import handle_file
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

pytest.importorskip("playwright")
from playwright.sync_api import Browser

from dgrl import DGRL
from dgrl.app import build
from dgrl.files import EXAMPLES
from tests.app.conftest import connect

pytestmark = pytest.mark.browser

PREFIX = "/tools/dgrl"
PER_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


def reverse_proxy(app_url: str) -> Starlette:
    """Return a server that passes requests below `PREFIX` on without the prefix, as nginx does, and refuses others."""
    client = httpx.AsyncClient(base_url=app_url, timeout=None)

    async def pass_on(request: Request) -> Response:
        path = request.url.path.removeprefix(PREFIX)
        sent = client.build_request(
            request.method,
            httpx.URL(path=path, query=request.url.query.encode()),
            headers=request.headers.raw,
            content=await request.body(),
        )
        answer = await client.send(sent, stream=True)
        headers = {name: value for name, value in answer.headers.items() if name not in PER_CONNECTION}
        return StreamingResponse(_parts(answer), answer.status_code, headers, background=BackgroundTask(answer.aclose))

    async def refuse(request: Request) -> Response:
        outside.append(request.url.path)
        return PlainTextResponse("there is nothing here", 404)

    outside: list[str] = []
    methods = ["GET", "POST", "HEAD", "DELETE"]
    proxy = Starlette(
        routes=[
            Route(PREFIX + "/{path:path}", pass_on, methods=methods),
            Route("/{path:path}", refuse, methods=methods),
        ]
    )
    proxy.state.outside = outside
    return proxy


async def _parts(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for part in answer.aiter_raw():
        yield part


@pytest.fixture(scope="module")
def proxied(network: DGRL) -> Iterator[tuple[str, list[str]]]:
    """Return the address of the app behind the proxy, and the requested paths outside the prefix."""
    app = build({"tiny": network}, precision="fp32")
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, root_path=PREFIX)
    proxy = reverse_proxy(url)
    server = uvicorn.Server(uvicorn.Config(proxy, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}{PREFIX}/", proxy.state.outside
    server.should_exit = True
    app.get_blocks().close()
    thread.join(10)


def test_the_page_works_below_the_prefix(
    browser: Browser, proxied: tuple[str, list[str]], network: DGRL, new_photo: Path
) -> None:
    address, outside = proxied
    outside.clear()
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(90_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.wait_for_function("window.dgrl?.scene")
    page.evaluate("dgrl.idle()")

    def refined() -> tuple[str, int, int, float]:
        page.evaluate("dgrl.idle()")
        values, photo = page.evaluate("dgrl.values()[0]"), page.evaluate("dgrl.scene().slots[0].photo")
        return photo, values["x"], values["y"], values["numbers"]["refined"]

    photo, x, y, value = refined()
    assert value == pytest.approx(network.trace(EXAMPLES / f"{photo}.jpg").pixel(x, y).refined, abs=2e-3)
    page.get_by_test_id("photos").click()
    page.get_by_test_id("upload").set_input_files(new_photo)
    page.wait_for_function("name => dgrl.scene().slots[0].photo !== name", arg=photo)
    _, x, y, value = refined()
    assert value == pytest.approx(network.trace(new_photo).pixel(x, y).refined, abs=2e-3)
    page.close()
    assert errors == []
    assert outside == ["/favicon.ico"] or outside == []  # browsers ask the site's root for it


def test_a_client_works_below_the_prefix(proxied: tuple[str, list[str]], network: DGRL, new_photo: Path) -> None:
    address, outside = proxied
    client = connect(address)
    outside.clear()
    answer = client.predict(handle_file(new_photo), api_name="/detect")
    client.close()
    assert httpx.get(f"{address}health").json()["status"] == "ok"
    assert Path(answer[0]).is_file()
    assert outside == []
