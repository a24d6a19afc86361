"""The server's open addresses: those that the page, programs and tools use. All others are closed."""

import re

API = "/gradio_api"
SESSION = r"[\w-]{1,64}"
"""Pattern of a session's name."""
NAME = r"[\w-]{1,64}"
PAGE_READ = (
    r"/",
    r"/api",
    r"/health",
    r"/favicon\.ico",
    r"/page/[0-9a-f]{12}/.+",
    r"/photo/upload/[0-9a-f]{32}/(thumbnail|preview)",
    r"/photo/example/[^/]+(/(mask|thumbnail))?",
    r"/file/[0-9a-f]{64}/[^/]+",
)
PAGE_WRITE = r"/(pass|pixel|explain|measure|survey|report|file|leave)"
PAGE_UPLOAD = "/photos"
READ = (
    *PAGE_READ,
    r"/config/?",
    rf"{API}/(info|openapi\.json|startup-events|app_id|login_check)/?",
    rf"{API}/heartbeat/{SESSION}",
    rf"{API}/queue/(data|status)",
    rf"{API}/upload_progress",
    rf"{API}/call/(v2/)?{NAME}/{NAME}",
    rf"{API}/file=.+",
)
WRITE = (
    PAGE_WRITE,
    PAGE_UPLOAD,
    rf"{API}/upload/?",
    rf"{API}/queue/join/?",
    rf"{API}/call/(v2/)?{NAME}/?",
    rf"{API}/(cancel|reset)/?",
)
TOOLS = (rf"{API}/mcp(/(schema|sse|http/?|messages/?)?)?",)


def is_open(method: str, path: str, tools: bool = False) -> bool:
    """Say whether a request may reach an address.

    Args:
        method: the request's method.
        path: without the prefix under which a proxy may have put the app.
        tools: whether the app also serves the Model Context Protocol.
    """
    if tools and _matches(TOOLS, path):
        return True
    if method == "OPTIONS":  # a browser's preflight request
        return _matches(READ + WRITE, path)
    if method in ("GET", "HEAD"):
        return _matches(READ, path)
    return method == "POST" and _matches(WRITE, path)


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return any(re.fullmatch(pattern, path, re.ASCII) for pattern in patterns)
