"""A stand-in for the Hugging Face Hub on this machine: enough of its HTTP for uploading and downloading a model."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


def oid(content: bytes) -> str:
    """Return a name for some content."""
    return hashlib.sha1(content).hexdigest()


class FakeHub(BaseHTTPRequestHandler):
    """A Hub that keeps repositories in memory: files by repository and path. Each repository has one commit."""

    repositories: dict[str, dict[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            request = json.loads(body)
            name = "/".join(filter(None, (request.get("organization"), request["name"])))
            self.repositories.setdefault(name, {})
            self._answer({"url": self._url(name), "name": name})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            paths = [file["path"] for file in json.loads(body)["files"]]
            answers = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            self._answer({"files": answers})
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.repositories[match[1]][line["value"]["path"]] = content
            commit = self._commit(match[1])
            self._answer({"commitUrl": f"{self._url(match[1])}/commit/{commit}", "commitOid": commit, "success": True})
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/[^/]+|/tree/[^/]+)?", path):
            files = self.repositories.get(match[1])
            if files is not None:
                self._answer(self._tree(files) if "/tree/" in path else self._about(match[1], files))
                return
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            content = self.repositories.get(match[1], {}).get(match[2])
            if content is not None:
                headers = {"ETag": f'"{oid(content)}"', "X-Repo-Commit": self._commit(match[1])}
                self._send(content, headers)
                return
        self._send(b"{}", {"X-Error-Code": "RepoNotFound"}, status=404)

    def _about(self, name: str, files: dict[str, bytes]) -> dict[str, object]:
        return {"id": name, "sha": self._commit(name), "siblings": [{"rfilename": path} for path in files]}

    def _tree(self, files: dict[str, bytes]) -> list[dict[str, object]]:
        return [{"type": "file", "path": p, "size": len(c), "oid": oid(c)} for p, c in files.items()]

    def _url(self, name: str) -> str:
        host, port = self.server.server_address[:2]
        return f"http://{host}:{port}/{name}"

    def _commit(self, name: str) -> str:
        return oid(repr(sorted(self.repositories[name].items())).encode())

    def _answer(self, value: object) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@contextmanager
def fake_hub() -> Iterator[tuple[str, dict[str, dict[str, bytes]]]]:
    """Start the fake Hub; yield its address and its repositories."""
    repositories: dict[str, dict[str, bytes]] = {}
    handler = type("Handler", (FakeHub,), {"repositories": repositories})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", repositories
    finally:
        server.shutdown()
        server.server_close()
