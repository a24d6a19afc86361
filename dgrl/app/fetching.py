"""A picture from the web, for tools that can give no other: from public machines only, bounded in bytes and time."""

import asyncio
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from gradio.processing_utils import hash_url, httpx  # type: ignore[attr-defined]  # its own dependencies
from gradio.processing_utils import sh as safehttpx  # type: ignore[attr-defined]

from dgrl.app.payloads import RefusedError

MOST_BYTES, MOST_SECONDS, MOST_HOPS = 40 * 2**20, 30.0, 5
REFUSAL = "This picture cannot be fetched from the web: it is not there, not public, or too large. Give it itself."


async def fetch(url: str, cache_dir: str) -> str:
    """Write what is at `url` into `cache_dir`; the path. Gradio's own holds all of it in memory, however large it is.

    Raises:
        RefusedError: it is not there, is on a machine that is not public, has more than 40 MB, or takes too long.
    """
    path = Path(cache_dir) / hash_url(url) / (Path(urlsplit(url).path).name[-100:] or "picture")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(await asyncio.wait_for(_content(url), MOST_SECONDS))
    except (httpx.HTTPError, OSError, ValueError, asyncio.TimeoutError) as error:
        raise RefusedError(REFUSAL) from error
    return str(path)


async def _content(url: str) -> bytes:
    for _ in range(MOST_HOPS):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no address of the web")
        # The machine's address is looked up once, checked, and used: it cannot be another one afterwards.
        transport = safehttpx.AsyncSecureTransport(await safehttpx.async_validate_url(parts.hostname))
        async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", url) as answer:
            if answer.has_redirect_location:
                url = urljoin(url, answer.headers["Location"])
                continue
            answer.raise_for_status()
            content = bytearray()
            async for piece in answer.aiter_bytes(2**16):
                content += piece
                if len(content) > MOST_BYTES:
                    raise ValueError("too large")
            return bytes(content)
    raise ValueError("sent on too often")
