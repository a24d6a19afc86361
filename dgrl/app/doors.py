"""Which of the server's addresses there are: those that the app's page and its clients use, and no others."""

import re

API = "/gradio_api"
SESSION = r"[\w-]{1,64}"
"""The name that a visitor's page or client gives itself."""
NAME = r"[\w-]{1,64}"
READ = (
    r"/",
    r"/config/?",
    r"/(assets|static)/.+",
    r"/(theme\.css|favicon\.ico|robots\.txt|manifest\.json)",
    rf"{API}/(info|openapi\.json|startup-events|app_id|theme\.css|login_check)/?",
    rf"{API}/heartbeat/{SESSION}",
    rf"{API}/queue/(data|status)",
    rf"{API}/upload_progress",
    rf"{API}/call/(v2/)?{NAME}/{NAME}",
    rf"{API}/file=.+",
)
WRITE = (
    rf"{API}/upload/?",
    rf"{API}/queue/join/?",
    rf"{API}/run/{NAME}/?",
    rf"{API}/call/(v2/)?{NAME}/?",
    rf"{API}/(cancel|reset)/?",
)
TOOLS = (rf"{API}/mcp(/(schema|sse|http/?|messages/?)?)?",)


def is_open(method: str, path: str, tools: bool = False) -> bool:
    """Whether there is such an address.

    Args:
        method: of the request.
        path: without the prefix under which a proxy may have put the app.
        tools: whether the app also serves the Model Context Protocol.
    """
    if tools and _matches(TOOLS, path):
        return True
    if method == "OPTIONS":  # a browser asks whether it may ask
        return _matches(READ + WRITE, path)
    if method in ("GET", "HEAD"):
        return _matches(READ, path)
    return method == "POST" and _matches(WRITE, path)


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return any(re.fullmatch(pattern, path, re.ASCII) for pattern in patterns)
