"""The page's endpoints as ordinary routes. Only `engines/server.js` uses them.

Each returns JSON, a file, or a stream. Errors are `{"error": sentence, "kind": …}` with a 4xx or 5xx status.
"""

import base64
import functools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from dgrl.app.endpoints import Endpoints
from dgrl.app.files import session_files
from dgrl.app.jobs import Jobs, session_of
from dgrl.app.photos import EXAMPLE, Photos
from dgrl.app.refusals import PHOTO_GONE, Refused
from dgrl.app.requests import PassRequest, checked_point
from dgrl.app.results import cutout_file, facts, map_file, pixel_numbers, saliency_of
from dgrl.attribution import answer as questions
from dgrl.bundle import bundle
from dgrl.figures.attribution import attribution_layer

PARTS = {"rln": ("photo", "rln"), "brn": ("brn",), "kernels": ("kernels",)}
"""The parts of a pass in their order: RLN's maps, the map after BRN, BRN's kernels."""
PASS_TYPE, LINES_TYPE = "application/x-dgrl-pass", "application/x-ndjson"
HOUR = {"Cache-Control": "private, max-age=3600"}


class Routes:
    """The page's routes, which call the endpoints' functions."""

    def __init__(self, endpoints: Endpoints, photos: Photos, jobs: Jobs) -> None:
        self.endpoints, self.photos, self.jobs = endpoints, photos, jobs

    def add_to(self, server: FastAPI) -> None:
        """Add the routes to a server."""
        posts = (
            self.upload,
            self.forward_pass,
            self.pixel,
            self.explain,
            self.measure,
            self.survey,
            self.report,
            self.file,
            self.leave,
        )
        paths = ("/photos", "/pass", "/pixel", "/explain", "/measure", "/survey", "/report", "/file", "/leave")
        for path, answer in zip(paths, posts, strict=True):
            server.add_route(path, answer, methods=["POST"])
        server.add_route("/photo/upload/{identity}/{kind}", self.small_picture, methods=["GET"])
        server.add_route("/photo/example/{name}", self.example, methods=["GET"])
        server.add_route("/photo/example/{name}/{kind}", self.example, methods=["GET"])
        server.add_route("/file/{folder}/{name}", self.written_file, methods=["GET"])

    async def upload(self, request: Request) -> Response:
        """Store a photo or a mask: the body is the file, `?name=` its name."""
        name = request.query_params.get("name", "photo")
        path, identity = await self.photos.receive(request.stream(), name)
        session = session_of(request)
        return JSONResponse(await self.jobs.run(request, "file", lambda: self.photos.add(path, identity, session)))

    async def forward_pass(self, request: Request) -> Response:
        """Run a pass: `{request, until}`; send frames, each with one part, as soon as it is computed.

        A frame is two little-endian uint32 with the lengths of the two things that follow: JSON {part, facts}, and a
        bundle (`docs/bundle.md`) with that part.
        """
        body = await body_of(request)
        until = body.get("until", "kernels")
        if until not in PARTS:
            raise Refused(f"`until` is one of {', '.join(PARTS)}.", "No such part")
        return await self.jobs.stream(request, "pass", self.frames(body, until, session_of(request)), PASS_TYPE)

    def frames(self, body: dict[str, Any], until: str, session: str) -> Iterator[bytes]:
        """Yield the frames of a pass up to the part `until`."""
        pass_request = self.read_pass_request(body, session)
        requests, name = self.endpoints.requests, Path(pass_request.photo).stem
        for part in list(PARTS)[: list(PARTS).index(until) + 1]:
            view = (requests.localised if part == "rln" else requests.view)(pass_request, session)
            content = bundle(view.trace, name, parts=PARTS[part])
            header = json.dumps({"part": part, "facts": facts(view)}).encode()
            yield struct.pack("<II", len(header), len(content)) + header + content

    async def pixel(self, request: Request) -> Response:
        """Return how one pixel was computed, with all digits: `{request, x, y}`."""
        body = await body_of(request)
        session = session_of(request)

        def numbers() -> dict[str, Any]:
            view = self.endpoints.requests.view(self.read_pass_request(body, session), session)
            return pixel_numbers(view.trace.pixel(*checked_point(view, body.get("x"), body.get("y"))))

        return JSONResponse(await self.jobs.run(request, "pass", numbers))

    async def explain(self, request: Request) -> Response:
        """Explain a value: `{request, question}`; send lines of JSON: {progress}, and at last {result} or {error}."""
        body = await body_of(request)
        question = body.get("question")
        fields = questions.Choice.__dataclass_fields__
        if not isinstance(question, dict) or not set(question) <= set(fields):
            raise Refused(f"A question has these fields: {', '.join(fields)}.", "No such question")
        choice = questions.Choice(**question)
        return await self.jobs.stream(request, "explain", self.lines(body, choice, session_of(request)), LINES_TYPE)

    def lines(self, body: dict[str, Any], choice: questions.Choice, session: str) -> Iterator[bytes]:
        """Yield an explanation's progress and result as lines of JSON."""
        for item in self.endpoints.explained(self.read_pass_request(body, session), choice, session):
            if isinstance(item, float):
                yield json_line({"progress": item})
                continue
            view, explanation = item
            heat_map = attribution_layer(explanation.attribution)
            height, width = heat_map.values.shape
            values = base64.b64encode(heat_map.values.astype("<f4").tobytes()).decode()
            picture = {
                "values": values,
                "width": width,
                "height": height,
                "limit": heat_map.limit,
                "label": heat_map.label,
            }
            yield json_line({"result": picture | questions.numbers(view.trace, explanation, heat_map)})

    async def measure(self, request: Request) -> Response:
        """Measure a pass against a mask: `{request, mask, stretch}`, `mask` an uploaded photo's reference."""
        body = await body_of(request)
        session = session_of(request)
        mask = self.photos.path(body.get("mask"), session)
        stretch = body.get("stretch", True) is not False

        def scores() -> dict[str, Any]:
            pass_request = self.read_pass_request(body, session)
            view = self.endpoints.requests.view(pass_request, session)
            measured, *files = self.endpoints.scored(view, mask, stretch, Path(pass_request.photo).stem)
            labels = ("Scores (CSV)", "Curves (CSV)", "Curves (SVG)")
            return measured | {"files": [file_entry(path, label) for path, label in zip(files, labels, strict=True)]}

        return JSONResponse(await self.jobs.run(request, "file", scores))

    async def survey(self, request: Request) -> Response:
        """Compute one picture's part of a survey: `{request, second, mask, parts}`.

        `second` is a checkpoint to compare with, `mask` an uploaded photo's reference; both may be null.
        """
        body = await body_of(request)
        session, mask = session_of(request), body.get("mask")
        path = None if mask is None else self.photos.path(mask, session)

        def table() -> dict[str, Any]:
            pass_request = self.read_pass_request(body, session)
            return self.endpoints.surveyed(pass_request, body.get("second"), path, bool(body.get("parts")))

        return JSONResponse(await self.jobs.run(request, "survey", table))

    async def report(self, request: Request) -> Response:
        """Pack everything of a pass into a zip file: `{request}`."""
        body = await body_of(request)
        session = session_of(request)
        packed = await self.jobs.run(
            request, "file", lambda: self.endpoints.packed(self.read_pass_request(body, session), session)
        )
        return JSONResponse(file_entry(packed))

    async def file(self, request: Request) -> Response:
        """Return a PNG in the photo's size: `{request, kind, matting}`, kind "map" or "cutout"."""
        body = await body_of(request)
        session, kind, matting = session_of(request), body.get("kind"), body.get("matting") is True
        if kind not in ("map", "cutout"):
            raise Refused("`kind` is map or cutout.", "No such file")

        def content() -> bytes:
            pass_request = self.read_pass_request(body, session)
            saliency = saliency_of(self.endpoints.requests.view(pass_request, session), matting)
            return map_file(saliency) if kind == "map" else cutout_file(saliency, pass_request.photo)

        return Response(await self.jobs.run(request, "file", content), media_type="image/png")

    async def leave(self, request: Request) -> Response:
        """Note that a session's page has closed: `{session}` in the body, as a closing page cannot send headers."""
        await body_of(request)  # the guard has noted the session
        session_files().leave(session_of(request))
        return Response(status_code=204)

    async def small_picture(self, request: Request) -> Response:
        """Return an upload's thumbnail or preview."""
        kind, identity = request.path_params["kind"], request.path_params["identity"]
        if kind not in ("thumbnail", "preview"):
            raise Refused("Not found.", status=404)
        return FileResponse(self.photos.picture(identity, kind, session_of(request)), headers=HOUR)

    async def example(self, request: Request) -> Response:
        """Return one of the app's photos, its mask, or its thumbnail."""
        example = self.photos.examples.get(request.path_params["name"])
        kind = request.path_params.get("kind", "")
        if example is not None and kind == "thumbnail":
            return Response(example.thumbnail, media_type="image/jpeg", headers=HOUR)
        path = {"": example.path, "mask": example.mask}.get(kind) if example is not None else None
        if path is None:
            raise Refused("Not found.", status=404)
        return FileResponse(path, headers=HOUR)

    async def written_file(self, request: Request) -> Response:
        """Return a file that the app wrote for a session."""
        path = session_files().folder / request.path_params["folder"] / request.path_params["name"]
        if not session_files().knows(str(path)):
            raise Refused("The server does not have this file any more.", kind=PHOTO_GONE, status=404)
        return FileResponse(path, filename=path.name)

    def read_pass_request(self, body: dict[str, Any], session: str) -> PassRequest:
        """Read the request for a pass in a body. If it has a patch, the pass that the patch names may be computed."""
        fields = body.get("request")
        if not isinstance(fields, dict):
            raise Refused("Choose a photo first.", "No photo")
        path = self.photos.path(fields.get("photo"), session)
        checkpoint, steps, edits = (fields.get(name) for name in ("checkpoint", "steps", "edits"))
        other_path = functools.partial(self.photos.path, session=session)
        return self.endpoints.requests.read(path, checkpoint, steps, edits, session, other_path)


def offered_examples(photos: Photos) -> list[dict[str, Any]]:
    """Describe the app's photos to the page."""
    return [
        {
            "id": f"{EXAMPLE}/{name}",
            "name": name,
            "url": f"photo/{EXAMPLE}/{name}",
            "thumbnail": f"photo/{EXAMPLE}/{name}/thumbnail",
            "mask": f"photo/{EXAMPLE}/{name}/mask" if example.mask else None,
        }
        for name, example in photos.examples.items()
    ]


async def body_of(request: Request) -> dict[str, Any]:
    """Read a request's JSON object; the guard has limited its size."""
    body = await request.json()
    if not isinstance(body, dict):
        raise Refused("The request is a JSON object.", "Wrong request", status=400)
    return body


def file_entry(path: Path, label: str = "") -> dict[str, str]:
    """Describe a file that the app wrote: its address for the page, its name and its label."""
    return {"url": f"file/{path.parent.name}/{path.name}", "name": path.name, "label": label}


def json_line(content: dict[str, Any]) -> bytes:
    """Write an object as a line of JSON."""
    return json.dumps(content, default=float).encode() + b"\n"
