"""Caffe's two files, written byte by byte without protobuf or anything of `dgrl`, and OpenCV to run them."""

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.caffe_network import Layer

# How Caffe's older files number the kinds of layers; batch-norm and its like came later, and have no number there.
V1_KINDS = {"Concat": 3, "Convolution": 4, "Pooling": 17, "ReLU": 18, "Softmax": 20, "Eltwise": 25, "Power": 26}


def numbers(layer: Layer, i: int) -> np.ndarray:
    """Draw a layer's i-th blob at random: the same for all layers that share it, and such that maps are uneven."""
    shape, name = layer.shapes[i], layer.parameters[i]
    fixed = fixed_numbers(layer.name, i, shape)
    if fixed is not None:
        return fixed
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if layer.kind == "BatchNorm":
        return batch_norm_numbers(random, i, shape, name)
    if layer.kind == "Normalize":
        return random.uniform(8, 12, shape).astype(np.float32)
    if layer.kind == "Scale" and i == 0:
        return random.uniform(0.7, 1.3, shape).astype(np.float32)
    if len(shape) < 4:
        return random.normal(0, 0.2, shape).astype(np.float32)
    weights = random.standard_normal(shape, np.float32)
    weights *= gain(layer.name) * np.sqrt(2 / np.prod(shape[1:]), dtype=np.float32)
    return weights


def gain(name: str) -> float:
    """Return the scale of a convolution's output: small for residuals and feedback, so that sums stay small."""
    if "_mask" in name:
        return 0.15
    if name.startswith("conv7-2"):
        return 0.08
    if name.endswith("-c") or "-c-net" in name:
        return 0.2
    if name.removesuffix("-net2").removesuffix("-net3").endswith("_conv3"):
        return 0.4
    return 1.0


def batch_norm_numbers(random: np.random.Generator, i: int, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return mean and variance multiplied by the factor in the third blob."""
    factor = 999.98236 if name.endswith("bn3") else 1.0  # in some layers, what Caffe's moving average ends with
    mean, deviation = (110.0, 60.0) if name.endswith("-data") else (0.0, 1.0)
    if i == 0:
        values = random.normal(mean, 0.2, shape)
    else:
        values = deviation**2 * random.uniform(0.5, 2.0, shape) if i == 1 else np.ones(shape)
    return (values * factor).astype(np.float32)


def fixed_numbers(name: str, i: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return BRN's constants: data_transpose shifts the map, and sums have weights of 1."""
    if name == "data_transpose":
        return np.eye(25, dtype=np.float32).reshape(shape)
    if name.startswith("conv3-prod_"):
        return np.full(shape, 1 - i, np.float32)
    return None


Numbers = Callable[[Layer, int], np.ndarray]


def write_model(path: Path, layers: Iterable[Layer], numbers: Numbers = numbers, encode=None) -> None:
    """Write a `.caffemodel`; `encode(layer, blobs)` gives a layer's bytes, by default in Caffe's present form."""
    encode = encode or new_layer
    with path.open("wb") as file:
        file.write(part(1, b"random"))
        for layer in layers:
            file.writelines(encode(layer, [numbers(layer, i) for i in range(len(layer.shapes))]))


def new_layer(layer: Layer, blobs: list[np.ndarray]) -> list[bytes]:
    """Encode a LayerParameter, field 100: blobs with a `shape` and packed floats."""
    body = [part(1, layer.name.encode()), part(2, layer.kind.encode())]
    for blob in blobs:
        shape = part(7, part(1, b"".join(varint(side) for side in blob.shape)))
        data = blob.astype("<f4").tobytes()
        body += [key(7, 2), varint(len(shape) + len(data) + len(key(5, 2) + varint(len(data)))), shape]
        body += [key(5, 2), varint(len(data)), data]
    return [key(100, 2), varint(sum(map(len, body))), *body]


def v1_layer(layer: Layer, blobs: list[np.ndarray]) -> list[bytes]:
    """Encode a V1LayerParameter, field 2: blobs with num, channels, height and width, and unpacked floats."""
    body = part(4, layer.name.encode()) + key(5, 0) + varint(V1_KINDS.get(layer.kind, 0))
    for blob in blobs:
        sides = (1,) * (4 - blob.ndim) + blob.shape
        content = b"".join(key(i, 0) + varint(side) for i, side in enumerate(sides, start=1))
        single = np.empty(blob.size, [("key", "u1"), ("value", "<f4")])
        single["key"], single["value"] = key(5, 5)[0], blob.ravel()
        content += single.tobytes()
        body += part(6, content)
    return [part(2, body)]


def part(number: int, content: bytes) -> bytes:
    return key(number, 2) + varint(len(content)) + content


def key(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def prototxt(layers: Iterable[Layer], inputs: dict[str, tuple[int, ...]]) -> str:
    """Return the layers as text. A 1×1 convolution of ones replaces Tile, which OpenCV lacks (`tile_weights`)."""
    text = []
    for name, shape in inputs.items():
        text.append(f'input: "{name}" input_shape {{ {" ".join(f"dim: {side}" for side in shape)} }}')
    for layer in layers:
        kind, settings = layer.kind, layer.settings
        if kind == "Tile":
            kind = "Convolution"
            settings = f"convolution_param {{ num_output: {tiles(layer)} kernel_size: 1 bias_term: false }}"
        bottoms = " ".join(f'bottom: "{name}"' for name in layer.inputs)
        text.append(f'layer {{ name: "{layer.name}" type: "{kind}" {bottoms} top: "{layer.output}" {settings} }}')
    return "\n".join(text)


def tiles(layer: Layer) -> int:
    return int(layer.settings.split()[-2])


def tile_weights(layers: Iterable[Layer]) -> bytes:
    """Return the end of a model file for the convolutions that replace Tile layers."""
    return b"".join(
        b"".join(new_layer(layer, [np.ones((tiles(layer), 1, 1, 1), np.float32)]))
        for layer in layers
        if layer.kind == "Tile"
    )


def open_opencv(model: Path, layers: list[Layer], shapes: dict[str, tuple[int, ...]]) -> cv2.dnn.Net:
    """Open the network in OpenCV's Caffe importer, for inputs of these shapes; writes beside and to the model file."""
    definition = model.with_suffix(".prototxt")
    definition.write_text(prototxt(layers, shapes))
    with model.open("ab") as file:
        file.write(tile_weights(layers))
    net = cv2.dnn.readNetFromCaffe(str(definition), str(model))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    return net


def run_opencv(
    model: Path, layers: list[Layer], inputs: dict[str, np.ndarray], outputs: list[str]
) -> dict[str, np.ndarray]:
    """Return what OpenCV's Caffe importer computes at the named outputs, without its approximations."""
    net = open_opencv(model, layers, {name: value.shape for name, value in inputs.items()})
    net.enableFusion(False)
    net.enableWinograd(False)
    for name, value in inputs.items():
        net.setInput(value, name)
    return dict(zip(outputs, net.forward(outputs), strict=True))
