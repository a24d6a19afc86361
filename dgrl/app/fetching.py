"""Fetch pictures from the web for tools that cannot upload: from public machines only, with limits on size and time."""

import asyncio
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from gradio.processing_utils import hash_url, httpx  # type: ignore[attr-defined]  # its own dependencies
from gradio.processing_utils import sh as safehttpx  # type: ignore[attr-defined]

from dgrl.app.payloads import RefusedError

MOST_BYTES, MOST_SECONDS, MOST_HOPS = 40 * 2**20, 30.0, 5
REFUSAL = "This picture cannot be fetched from the web: it is missing, not public, or too large. Please upload it."


async def fetch(url: str, cache_dir: str) -> str:
    """Download `url` into `cache_dir` and return the path. Gradio's own function holds the whole file in memory.

    Raises:
            RefusedError: it is missing, not on a public machine, larger than 40 MB, or takes too long.
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
            raise ValueError("not a web address")
        # Resolve the host's address once, check it and use it, so that it cannot change in between.
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
    raise ValueError("too many redirects")
