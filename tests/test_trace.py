import copy
import dataclasses
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch

from dgrl import DGRL, Trace, tap_names
from dgrl.taps import identity_kernels, mean_kernels
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture(scope="module")
def trace(_shared_tiny_model, photo):
    return _shared_tiny_model.trace(photo, steps=3)


def by_the_book(pixel):
    """Compute the refined value only from a pixel's published numbers."""
    evidence = (pixel.coefficients * (2 * pixel.neighbours - 1)).sum()
    return 1 / (1 + np.exp(-np.clip(evidence, -500, 500)))


def every_kind_of_pixel(photo):
    """Return pixels (x, y) of the photo at its corners, on its edges and inside."""
    height, width = photo.shape[:2]
    random = np.random.RandomState(1)
    inside = [(random.randint(width), random.randint(height)) for _ in range(60)]
    xs, ys = (0, 1, width // 2, width - 2, width - 1), (0, 1, height // 2, height - 2, height - 1)
    return [(x, y) for x in xs for y in ys] + inside


def test_arrays(trace, photo):
    assert np.array_equal(trace.photo, photo)
    assert trace.saliency.shape == photo.shape[:2]
    assert list(trace.taps) == tap_names(3)
    assert all(array.dtype == np.float32 for array in trace.taps.values())
    assert trace.kernel_size == 5
    assert trace.coefficients.shape == (25, 80, 80)
    assert trace.prior.shape == trace.refined.shape == (80, 80)
    assert [step.t for step in trace.steps] == [0, 1, 2, 3]
    for step in trace.steps:
        assert step.logits.shape == (2, 96, 96)
        assert step.saliency.shape == (96, 96)
        assert {level: w.shape for level, w in step.weight_maps.items()} == {
            "conv3": (6, 6),
            "conv4": (3, 3),
            "conv5": (2, 2),
        }
        assert list(step.feedback) == ([] if step.t == 0 else ["conv2", "conv3", "conv4", "conv5"])


def test_the_trace_contains_the_computed_values(trace, tiny_model, photo):
    with torch.inference_mode():
        output = tiny_model(torch.from_numpy(photo).permute(2, 0, 1)[None], steps=3)
    for result, expected in zip(trace.steps, output.localised.steps, strict=True):
        np.testing.assert_array_equal(result.logits, expected.logits[0])
        np.testing.assert_allclose(result.saliency, expected.saliency[0, 0], atol=1e-6)
        for level in ("conv3", "conv4", "conv5"):
            np.testing.assert_array_equal(result.weight_maps[level], expected.weight_maps[level][0, 0])
    np.testing.assert_array_equal(trace.prior, output.refined.prior[0, 0])
    np.testing.assert_array_equal(trace.coefficients, output.refined.coefficients[0])
    np.testing.assert_array_equal(trace.refined, output.refined.refined[0, 0])
    np.testing.assert_array_equal(trace.saliency, output.saliency[0, 0])


def test_step_saliency_of_extreme_logits():
    logits = np.array([[[-200.0, 0.0, 200.0]], [[200.0, 0.0, -200.0]]], np.float32)
    trace = Trace(np.zeros((1, 1, 3), np.uint8), logits[0], {"rln.t0.logits": logits})
    with np.errstate(all="raise"):
        assert trace.steps[0].saliency.tolist() == [[1.0, 0.5, 0.0]]


def loud(model, factor):
    """Return the model with coefficients multiplied by `factor`."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.brn.layers[-1].weight *= factor
        model.brn.layers[-1].bias *= factor
    return model


EDITS = {
    "none": {},
    "identity": [identity_kernels()],
    "mean": [mean_kernels()],
    "prior": {"brn.prior": lambda value: 1 - value**2},
    "weight map": {"rln.t0.conv5.weight_map": np.array([[3.5, 0.1], [0.2, 0.2]])},
}


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS.keys())
def test_pixel_reproduces_the_refined_value(tiny_model, photo, edits):
    trace = tiny_model.trace(photo, 1, edits)
    for x, y in every_kind_of_pixel(photo):
        pixel = trace.pixel(x, y)
        assert by_the_book(pixel) == pytest.approx(pixel.refined, abs=1e-6)
        assert pixel.refined == trace.refined[pixel.row, pixel.column]


@pytest.mark.parametrize("rough", [False, True])
def test_pixel_reproduces_the_refined_value_of_large_coefficients(tiny_model, photo, rough):
    """50 times the usual. Where the map is rough, large terms of both signs cancel: float32 would be off by 1e-5."""
    random = np.random.RandomState(0)
    noise = {"brn.prior": random.uniform(size=(80, 80)), "brn.coefficients": 50 * random.standard_normal((25, 80, 80))}
    trace = loud(tiny_model, 50).trace(photo, 1, noise if rough else {})
    assert np.abs(trace.coefficients).max() > 50
    # Every pixel of the map, by way of a photo of the map's size.
    in_map = dataclasses.replace(trace, photo=np.zeros((80, 80, 3), np.uint8))
    pixels = [in_map.pixel(x, y) for x in range(80) for y in range(80)]
    assert sum(0.1 < pixel.refined < 0.9 for pixel in pixels) > 50, "saturated pixels would hide any error"
    assert max(abs(by_the_book(pixel) - pixel.refined) for pixel in pixels) < 1e-6


@pytest.mark.parametrize("kind", ["soft", "binary"])
@pytest.mark.parametrize("n", [3, 7])
def test_pixel_with_other_kernels_and_priors(photo, n, kind):
    trace = filled(DGRL(dataclasses.replace(TINY, kernel_size=n, prior=kind))).trace(photo, 0)
    assert trace.kernel_size == n
    assert trace.prior_kind == kind
    for x, y in every_kind_of_pixel(photo):
        pixel = trace.pixel(x, y)
        assert pixel.coefficients.shape == pixel.neighbours.shape == (n, n)
        assert by_the_book(pixel) == pytest.approx(pixel.refined, abs=1e-6)


def test_the_pixel_s_text_contains_its_whole_arithmetic(trace):
    pixel = trace.pixel(77, 31)
    assert (pixel.x, pixel.y) == (77, 31)
    assert (pixel.column, pixel.row) == (int(77.5 * 80 / 120), int(31.5 * 80 / 90))
    row, column = pixel.row, pixel.column
    np.testing.assert_array_equal(pixel.coefficients.ravel(), trace.coefficients[:, row, column].astype(np.float64))
    np.testing.assert_array_equal(pixel.neighbours, trace.prior[row - 2 : row + 3, column - 2 : column + 3])
    np.testing.assert_array_equal(pixel.foreground_products, pixel.coefficients * pixel.neighbours)
    np.testing.assert_array_equal(pixel.background_products, pixel.coefficients * (1 - pixel.neighbours))
    assert pixel.foreground == pytest.approx(pixel.foreground_products.sum())
    assert pixel.background == pytest.approx(pixel.background_products.sum())
    assert pixel.prior == pixel.neighbours[2, 2] == trace.prior[row, column]
    assert pixel.refined == pytest.approx(1 / (1 + np.exp(pixel.background - pixel.foreground)), abs=1e-6)


def test_corner_pixel_has_no_neighbours_outside(trace):
    pixel = trace.pixel(0, 0)
    assert not pixel.neighbours[:2].any()
    assert not pixel.neighbours[:, :2].any()
    assert pixel.neighbours[2:, 2:].all()
    np.testing.assert_array_equal(trace.pixel(119, 89).neighbours[2:, 2:], np.pad(trace.prior[-1:, -1:], (0, 2)))


@pytest.mark.parametrize("size", [(90, 120), (1, 1), (7, 300), (1000, 31)])
def test_every_photo_pixel_has_a_map_pixel(trace, size):
    height, width = size
    other = dataclasses.replace(trace, photo=np.zeros((height, width, 3), np.uint8))
    assert other.to_map(0, 0) == (int(40 / width), int(40 / height))
    columns = [other.to_map(x, 0)[0] for x in range(width)]
    rows = [other.to_map(0, y)[1] for y in range(height)]
    for positions, extent in ((columns, width), (rows, height)):
        assert positions == sorted(positions)
        assert 0 <= positions[0] <= positions[-1] <= 79
        assert extent == 1 or (positions[0] <= 40 / extent and positions[-1] >= 79 - 40 / extent)


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (0, -1), (120, 0), (0, 90), (1000, 1000)])
def test_pixels_outside_are_refused(trace, x, y):
    with pytest.raises(IndexError, match=rf"\({x}, {y}\).*120×90"):
        trace.pixel(x, y)


def test_the_most_changed_pixels_are_the_photo_s_and_the_sides_come_last(tiny_model):
    seen = tiny_model.trace(draw_photo(30, 20)[0])
    inner, side = seen.pixel(10, 15), seen.pixel(3, 0)
    assert side.row < seen.kernel_size // 2 < inner.row
    refined = np.zeros_like(seen.prior)
    refined[side.row, side.column] = 1
    refined[inner.row, inner.column] = 0.5
    refined[inner.row + 1, inner.column + 1] = 0.9  # the map has 80×80 pixels; no pixel of the photo leads there
    changed = Trace(seen.photo, seen.saliency, {**seen.taps, "brn.prior": refined * 0, "brn.refined": refined})
    first, *others = changed.most_changed(count=1000)
    assert (first.x, first.y, first.refined) == (10, 15, 0.5)
    assert others[-1].row < 2 or others[-1].row > 77 or others[-1].column < 2 or others[-1].column > 77
    assert (side.x, side.y) in {(pixel.x, pixel.y) for pixel in others}


def test_kernel_field():
    """Three pixels whose kernels are known: the identity, one that draws from the right, and nothing at all."""
    coefficients = np.zeros((25, 1, 3), np.float32)
    coefficients[12, 0, 0] = -2.0
    coefficients[12, 0, 1] = 0.5
    coefficients[14, 0, 1] = -0.5
    taps = {"brn.coefficients": coefficients, "brn.prior": np.zeros((1, 3), np.float32)}
    field = Trace(np.zeros((1, 3, 3), np.uint8), np.zeros((1, 3), np.float32), taps).kernel_field
    np.testing.assert_allclose(field.centre, [[-2.0, 0.5, 0.0]])
    np.testing.assert_allclose(field.shift_x, [[0, 1, 0]])
    np.testing.assert_allclose(field.shift_y, [[0, 0, 0]])
    np.testing.assert_allclose(field.spread, [[0, np.sqrt(2), 0]], rtol=1e-6)
    assert coefficients[14, 0, 1] == -0.5, "the trace was altered"


def test_kernel_field_points_down_for_later_rows():
    coefficients = np.zeros((9, 1, 1), np.float32)
    coefficients[7] = 1  # row 2, column 1 of the 3×3 window: the neighbour below
    taps = {"brn.coefficients": coefficients}
    field = Trace(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.float32), taps).kernel_field
    assert (field.shift_x.item(), field.shift_y.item(), field.spread.item()) == (0, 1, 1)


def test_saves_and_loads(trace, tmp_path):
    path = tmp_path / "été 1"
    trace.save(path)
    loaded = Trace.load(path)
    assert list(tmp_path.iterdir()) == [path], "NumPy added a suffix"
    assert list(loaded.taps) == list(trace.taps)
    for name, array in trace.taps.items():
        np.testing.assert_array_equal(loaded.taps[name], array)
        assert loaded.taps[name].dtype == np.float32
    np.testing.assert_array_equal(loaded.photo, trace.photo)
    np.testing.assert_array_equal(loaded.saliency, trace.saliency)
    assert loaded.prior_kind == trace.prior_kind
    assert loaded.pixel(5, 80).refined == trace.pixel(5, 80).refined
    assert len(loaded.steps) == 4


def test_file_keys_are_tap_names(trace, tmp_path):
    trace.save(tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz", allow_pickle=False) as file:
        assert sorted(file) == sorted([*tap_names(3), "photo", "saliency", "about"])
        assert json.loads(str(file["about"])) == {"format": "dgrl-trace-1", "prior": "soft"}


@pytest.mark.parametrize("sizing", ["smooth", "published"])
def test_a_step_is_enlarged_to_the_photo_s_size_as_in_the_network(photo, tmp_path, sizing):
    model = filled(DGRL(dataclasses.replace(TINY, sizing=sizing)))
    model.trace(photo, 1).save(tmp_path / "trace.npz")
    trace = Trace.load(tmp_path / "trace.npz")
    assert trace.sizing == sizing
    maps = torch.from_numpy(trace.steps[1].saliency)[None, None]
    for stretched in (False, True):
        expected = model.sizing.localised(maps, *photo.shape[:2], stretched=stretched)[0, 0].numpy()
        np.testing.assert_array_equal(trace.sized(1, stretched), expected)
        assert expected.min() >= 0
        assert expected.max() <= 1


def test_a_few_bright_pixels_are_no_object():
    photo = np.zeros((100, 100, 3), np.uint8)
    saliency = np.full((100, 100), 0.5, np.float32)
    saliency[0, :9] = 0.51
    assert not Trace(photo, saliency, {}).found().any()
    saliency[0, 9] = 0.51
    np.testing.assert_array_equal(Trace(photo, saliency, {}).found(), saliency > 0.5)


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_the_box_around_what_was_found():
    photo, saliency = np.zeros((40, 50, 3), np.uint8), np.zeros((40, 50), np.float32)
    assert Trace(photo, saliency, {}).found_box() is None
    saliency[10:20, 30:34] = saliency[25, 5] = 0.9
    left, top, right, bottom = Trace(photo, saliency, {}).found_box()
    assert (left, top, right, bottom) == (5, 10, 34, 26)
    assert np.count_nonzero(saliency[top:bottom, left:right]) == np.count_nonzero(saliency)


def lone_array():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def zip_of_text():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("about", "hello")
    return buffer.getvalue()


def about(**values):
    return np.array(json.dumps(values))


PHOTO, MAP = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.float32)
FOREIGN = {
    "empty": b"",
    "text": b"not a trace",
    "pickle": pickle.dumps({"photo": 1}),
    "lone array": lone_array(),
    "zip": zip_of_text(),
    "no about": archive(photo=PHOTO, saliency=MAP),
    "about is no JSON": archive(photo=PHOTO, saliency=MAP, about=np.array("{")),
    "about is a list": archive(photo=PHOTO, saliency=MAP, about=np.array("[1]")),
    "another format": archive(photo=PHOTO, saliency=MAP, about=about(format="dgrl-trace-0", prior="soft")),
    "no photo": archive(saliency=MAP, about=about(format="dgrl-trace-1", prior="soft")),
    "an object inside": archive(photo=PHOTO, saliency=np.array([{}], object), about=about(format="dgrl-trace-1")),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "foreign.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"foreign\.npz is not a trace"):
        Trace.load(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_truncated_files_are_refused(trace, tmp_path, share):
    path = tmp_path / "half.npz"
    trace.save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"half\.npz is not a trace"):
        Trace.load(path)


def test_damaged_files_are_refused(trace, tmp_path):
    path = tmp_path / "damaged.npz"
    trace.save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\.npz is not a trace"):
        Trace.load(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        Trace.load(tmp_path / "nothing.npz")


def test_no_file_is_unpickled(tmp_path):
    """A file that would run code when unpickled is refused, and runs nothing."""
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return marker.touch, ()

    bomb = np.array([Bomb()], object)
    (tmp_path / "bomb.npz").write_bytes(archive(photo=bomb, saliency=MAP, about=about(format="dgrl-trace-1")))
    with pytest.raises(ValueError, match="not a trace"):
        Trace.load(tmp_path / "bomb.npz")
    assert not marker.exists()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_pictures_of_odd_shapes(tiny_model, size):
    trace = tiny_model.trace(draw_photo(*size)[0], steps=0)
    assert trace.saliency.shape == size
    pixel = trace.pixel(size[1] - 1, size[0] - 1)
    assert by_the_book(pixel) == pytest.approx(pixel.refined, abs=1e-6)
