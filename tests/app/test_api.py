"""The app's endpoints, called as a program calls them, also with bad input."""

import inspect
import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl import DGRL
from dgrl.app import files
from dgrl.app.runs import AS_TRAINED
from dgrl.images import read_photo, to_grey
from dgrl.images.cutouts import cut_out
from dgrl.images.marking import is_marked
from dgrl.taps import flatten_map
from tests.app.conftest import Served, connect
from tests.helpers.networks import draw_photo

ENDPOINTS = {"/detect", "/localise", "/refine", "/pixel", "/what_if", "/attribute", "/measure", "/report"}


def call(client: Client, endpoint: str, photo: Path, *more: Any, **endpoints: Any) -> Any:
    arguments = {"checkpoint": "tiny", "steps": AS_TRAINED, **endpoints}
    return client.predict(handle_file(photo), *more, **arguments, api_name=endpoint)


def test_endpoints_have_stable_names_and_need_only_the_photo(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == ENDPOINTS
    for name, endpoint in endpoints.items():
        assert len(endpoint["description"]) > 20
        needed = [
            parameter["parameter_name"]
            for parameter in endpoint["parameters"]
            if not parameter["parameter_has_default"]
        ]
        assert needed == (["photo", "mask"] if name == "/measure" else ["photo"])
        for answer in endpoint["returns"]:
            assert re.fullmatch(r"[a-z_]+", answer["label"]), (name, answer["label"])


def test_every_argument_is_typed_and_described(client: Client, served: Served) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    described = {fn.api_name: inspect.getdoc(fn.fn) or "" for fn in served.app.get_blocks().fns.values()}
    for endpoint, facts in endpoints.items():
        arguments, results = described[endpoint.removeprefix("/")].split("Args:")[1].split("Returns:")
        for parameter in facts["parameters"]:
            assert parameter["type"]["type"], (endpoint, parameter)
            assert re.search(rf"^ +{parameter['parameter_name']}: \S", arguments, re.MULTILINE), (endpoint, parameter)
        assert len(results) > 20


def test_only_the_photo_is_required(client: Client, photo_files: dict[str, Path], mask_files: dict[str, Path]) -> None:
    for endpoint in ENDPOINTS:
        mask = {"mask": handle_file(mask_files["wide"])} if endpoint == "/measure" else {}
        assert client.predict(handle_file(photo_files["wide"]), api_name=endpoint, **mask)


def test_detect_gives_the_map_that_the_library_gives(
    client: Client, served: Served, photo_files: dict[str, Path]
) -> None:
    saliency, cut, result = call(client, "/detect", photo_files["high"])
    expected = served.network.trace(photo_files["high"])
    assert Path(saliency).name == "high.png"
    np.testing.assert_array_equal(np.asarray(Image.open(saliency)), np.asarray(to_grey(expected.saliency)))
    assert Image.open(cut).size == Image.open(saliency).size == (140, 210)
    assert result["share"] == pytest.approx(expected.found().mean(), abs=1e-4)
    rows, columns = np.nonzero(expected.found())
    assert result["box"] == [columns.min(), rows.min(), columns.max(), rows.max()]
    assert (result["machine"], result["size"], result["full_size"], result["steps"]) == (
        "cpu, fp32",
        [140, 210],
        None,
        2,
    )
    assert call(client, "/detect", photo_files["high"], cutout=False)[1] is None


def test_the_cut_out_is_the_photo_with_the_map_as_transparency(
    client: Client, served: Served, photo_files: dict[str, Path]
) -> None:
    _, whole, _ = call(client, "/detect", photo_files["wide"])
    picture = np.asarray(Image.open(whole))
    saliency = served.network.trace(photo_files["wide"]).saliency
    np.testing.assert_array_equal(picture[:, :, 3], np.asarray(to_grey(saliency)))
    np.testing.assert_array_equal(picture, np.asarray(cut_out(read_photo(photo_files["wide"]), saliency)))
    assert is_marked(Path(whole))
    assert Path(whole).name == "wide_cutout.png"


@pytest.mark.parametrize("given", [{"box": [20, 10, 90, 80]}, {"point": [100, 60]}, {"point": [3, 110]}])
def test_a_prompt_is_that_of_the_library(
    client: Client, served: Served, photo_files: dict[str, Path], given: dict[str, list[int]]
) -> None:
    saliency, cut, result = call(client, "/detect", photo_files["wide"], **given)
    expected = served.network.detect(photo_files["wide"], **{name: tuple(at) for name, at in given.items()})
    assert np.abs(expected - served.network.detect(photo_files["wide"])).max() > 0.02
    np.testing.assert_allclose(np.asarray(Image.open(saliency)) / 255, expected, atol=0.01)
    np.testing.assert_allclose(np.asarray(Image.open(cut))[:, :, 3] / 255, expected, atol=0.01)
    assert result["share"] == pytest.approx((expected > 0.5).mean(), abs=0.01)


def test_matting_is_that_of_the_library(client: Client, served: Served, photo_files: dict[str, Path]) -> None:
    photo = photo_files["wide"]
    saliency, cut, _ = call(client, "/detect", photo, matting=True)
    expected = np.asarray(to_grey(served.network.detect(photo, matting=True)), int)
    assert np.abs(np.asarray(to_grey(served.network.detect(photo)), int) - expected).max() > 5
    assert np.abs(np.asarray(Image.open(saliency), int) - expected).max() <= 2
    np.testing.assert_array_equal(np.asarray(Image.open(cut))[:, :, 3], np.asarray(Image.open(saliency)))


NOT_PROMPTS: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"box": [0, 0, 9, 9], "point": [3, 3]}, "give box or point, not both"),
    "three edges": ({"box": [0, 0, 9]}, "list of 4 numbers"),
    "words": ({"point": ["a", "b"]}, "list of 2 numbers"),
    "no list": ({"point": 3}, "list of 2 numbers"),
    "no area": ({"box": [9, 9, 9, 20]}, "has no area"),
    "outside": ({"point": [200, 5]}, "outside the photo of 200×120 pixels"),
    "no weight maps": ({"box": [0, 0, 9, 9], "checkpoint": "other"}, "takes no prompt"),
}


@pytest.mark.parametrize("name", NOT_PROMPTS)
def test_what_is_no_prompt_gets_one_clear_sentence(client: Client, photo_files: dict[str, Path], name: str) -> None:
    given, message = NOT_PROMPTS[name]
    with pytest.raises(AppError, match=message):
        call(client, "/detect", photo_files["wide"], **given)


def test_a_transparent_photo_stays_transparent(client: Client, tmp_path: Path) -> None:
    pixels = np.dstack([draw_photo(60, 80)[0], np.zeros((60, 80), np.uint8)])
    pixels[20:40, 20:60, 3] = 150
    Image.fromarray(pixels).save(tmp_path / "logo.png")
    picture = np.asarray(Image.open(call(client, "/detect", tmp_path / "logo.png")[1]))
    np.testing.assert_array_equal(picture[:, :, :3], pixels[:, :, :3])
    assert (picture[:, :, 3] <= pixels[:, :, 3]).all()


def test_localise_gives_every_map_of_every_step(client: Client, network: DGRL, photo_files: dict[str, Path]) -> None:
    maps, numbers = call(client, "/localise", photo_files["wide"], opacity=0.5, steps=3)
    captions = [entry["caption"] for entry in maps]
    assert captions[:4] == ["t = 0 · conv3", "t = 0 · conv4", "t = 0 · conv5", "t = 0 · prediction"]
    assert len(captions) == 4 * 5 - 1  # nothing has changed before t = 1
    assert captions[-1] == "t = 3 · change"
    assert {Image.open(entry["image"]).format for entry in maps} == {"PNG"}
    expected = network.trace(photo_files["wide"], steps=3)
    for step, row in zip(expected.steps, numbers["steps"], strict=True):
        for level, weights in step.weight_maps.items():
            np.testing.assert_allclose(row["weight_maps"][level], weights, rtol=1e-4)


def test_refine_gives_before_after_and_kernels(client: Client, network: DGRL, photo_files: dict[str, Path]) -> None:
    *pictures, numbers = call(client, "/refine", photo_files["wide"])
    assert [Path(path).stem for path in pictures] == ["before", "after", "change"]
    assert {Image.open(path).size for path in pictures} == {(800, 480)}
    expected = network.trace(photo_files["wide"])
    change = np.abs(expected.refined - expected.prior).mean()
    assert numbers["mean_absolute_change"] == pytest.approx(change, rel=1e-3)
    assert [(one["x"], one["y"]) for one in numbers["pixels"]] == [(one.x, one.y) for one in expected.most_changed()]


@pytest.mark.parametrize(("x", "y"), [(0, 0), (199, 119), (70, 40)])
def test_pixel_is_the_trace_s_pixel(
    client: Client, served: Served, photo_files: dict[str, Path], x: int, y: int
) -> None:
    edits = [{"kind": "flatten", "level": "conv4"}]
    for sent, changes in ((None, ()), (edits, [flatten_map("conv4")])):
        numbers = call(client, "/pixel", photo_files["wide"], x, y, edits=sent)
        expected = served.network.trace(photo_files["wide"], edits=changes).pixel(x, y)
        np.testing.assert_allclose(numbers["coefficients"], expected.coefficients, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(numbers["neighbours"], expected.neighbours, rtol=1e-4, atol=1e-6)
        assert numbers["refined"] == pytest.approx(expected.refined, abs=1e-6)
        by_hand = 1 / (1 + np.exp(numbers["background"] - numbers["foreground"]))
        assert numbers["refined"] == pytest.approx(by_hand, abs=1e-6)


def test_one_pass_serves_every_endpoint(client: Client, served: Served, new_photo: Path) -> None:
    before, refined = len(served.passes), len(served.refinements)
    call(client, "/localise", new_photo)
    assert len(served.refinements) == refined, "localise must not run BRN"
    for endpoint in ("/detect", "/refine", "/localise", "/pixel"):
        call(client, endpoint, new_photo)
    assert len(served.passes) == before + 1
    assert len(served.refinements) == refined + 1
    call(client, "/detect", new_photo, steps=4)
    assert len(served.passes) == before + 2


@pytest.mark.slow
def test_twenty_sessions_at_once_all_get_their_own_result(served: Served, tmp_path: Path) -> None:
    photos = [tmp_path / f"photo{number}.png" for number in range(20)]
    for number, path in enumerate(photos):
        Image.fromarray(draw_photo(60 + number, 80, seed=number)[0]).save(path)
    before = len(served.passes)
    clients = [connect(served.url) for _ in photos]
    jobs = [
        one_client.submit(handle_file(photo), "tiny", AS_TRAINED, api_name="/detect")
        for one_client, photo in zip(clients, photos, strict=True)
    ]
    for job, photo in zip(jobs, photos, strict=True):
        saliency, *_ = job.result(timeout=120)
        expected = np.asarray(to_grey(served.network.detect(photo)))
        np.testing.assert_allclose(np.asarray(Image.open(saliency)).astype(int), expected.astype(int), atol=1)
    # `detect` above ran each network once more.
    assert len(served.passes) == before + 2 * len(photos)
    for one_client in clients:
        one_client.close()


def test_another_checkpoint_without_context_module_and_with_a_smaller_kernel(
    client: Client, photo_files: dict[str, Path]
) -> None:
    maps, *_ = call(client, "/localise", photo_files["wide"], checkpoint="other")
    assert [entry["caption"] for entry in maps] == ["t = 0 · prediction", "t = 1 · prediction", "t = 1 · change"]
    numbers = call(client, "/pixel", photo_files["wide"], 5, 5, checkpoint="other")
    assert np.shape(numbers["coefficients"]) == (3, 3)


def test_passes_of_a_session_are_freed_when_it_ends(
    served: Served, new_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GRACE", 0.2)
    before = len(served.passes)
    leaving = connect(served.url)
    call(leaving, "/detect", new_photo)
    leaving.close()
    deadline = time.monotonic() + 60
    while len(served.passes) == before + 1 and time.monotonic() < deadline:
        time.sleep(1)
        later = connect(served.url)
        call(later, "/detect", new_photo)
        later.close()
    assert len(served.passes) > before + 1, "the pass was kept although its session had ended"


def png(mode: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (40, 30), 1).save(buffer, "png", **options)
    return buffer.getvalue()


BAD: dict[str, tuple[bytes, str]] = {
    "words.png": (b"these are words", "words.png: this is not a picture"),
    "nothing.jpg": (b"", "nothing.jpg: the file is empty"),
    "half.png": (png("RGB")[:60], "half.png: "),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg: this is not a picture"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("endpoint", ["/detect", "/refine"])
def test_a_bad_picture_gets_one_clear_sentence(client: Client, tmp_path: Path, name: str, endpoint: str) -> None:
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AppError) as refusal:
        call(client, endpoint, path)
    assert message in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def test_a_picture_of_many_pixels_is_shrunk_and_one_of_too_many_refused(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (6000, 5000)).save(path)
    saliency, _, result = call(client, "/detect", path, cutout=False)
    assert Image.open(saliency).size == (3000, 2500)
    assert (result["size"], result["full_size"]) == ([3000, 2500], [6000, 5000])
    Image.new("1", (12_000, 12_000)).save(path)
    with pytest.raises(AppError, match="12,000×12,000"):
        call(client, "/detect", path)


def test_a_file_of_too_many_bytes_is_refused(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "heavy.png"
    path.write_bytes(bytes(41 * 2**20))
    with pytest.raises(Exception, match=r"(?i)size|413"):
        call(client, "/detect", path)


@pytest.mark.parametrize("unknown", [{"checkpoint": "../../etc"}, {"steps": 50}])
def test_only_offered_choices_are_accepted(
    client: Client, photo_files: dict[str, Path], unknown: dict[str, Any]
) -> None:
    with pytest.raises(AppError):
        call(client, "/detect", photo_files["wide"], **unknown)


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (200, 5), (5, 120), (None, 3)])
def test_a_pixel_outside_the_photo_gets_a_message(
    client: Client, photo_files: dict[str, Path], x: int | None, y: int | None
) -> None:
    with pytest.raises(AppError, match=r"columns 0 to 199 and rows 0 to 119|minimum"):
        call(client, "/pixel", photo_files["wide"], x, y)


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(path, exif=exif)


ODD: dict[str, tuple[Callable[[Path], None], tuple[int, int]]] = {
    "turned.jpg": (rotated, (30, 40)),
    "cmyk.jpg": (lambda path: Image.new("CMYK", (40, 30)).save(path), (40, 30)),
    "deep.png": (lambda path: Image.fromarray(np.full((30, 40), 40_000, np.uint16)).save(path), (40, 30)),
    "palette.gif": (lambda path: Image.new("P", (40, 30)).save(path, transparency=0), (40, 30)),
    "grey_alpha.png": (lambda path: Image.new("LA", (40, 30)).save(path), (40, 30)),
    "dot.png": (lambda path: Image.new("RGB", (1, 1)).save(path), (1, 1)),
    "line.png": (lambda path: Image.new("RGB", (3000, 1)).save(path), (3000, 1)),
    "фото ü.webp": (lambda path: Image.new("RGB", (40, 30)).save(path), (40, 30)),
}


@pytest.mark.parametrize("name", ODD)
def test_unusual_pictures_are_read_as_viewers_show_them(client: Client, tmp_path: Path, name: str) -> None:
    write, size = ODD[name]
    path = tmp_path / name
    write(path)
    saliency, *_ = call(client, "/detect", path)
    assert Image.open(saliency).size == size
    call(client, "/localise", path)
    call(client, "/refine", path)


def test_the_file_reaches_the_library_unchanged(client: Client, served: Served, network: DGRL, tmp_path: Path) -> None:
    """Gradio must not convert the picture: 16 bits and a lossless format arrive unchanged."""
    path = tmp_path / "ramp.png"
    Image.fromarray(np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)).save(path)
    saliency, *_ = call(client, "/detect", path)
    np.testing.assert_array_equal(np.asarray(Image.open(saliency)), np.asarray(to_grey(network.detect(path))))
