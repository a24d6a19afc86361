"""Caffe's binary model files: a `NetParameter` message, read with protobuf's own library.

The messages are described here, no further than parameters need (the numbers are those of Caffe's public
`caffe.proto`); whatever else a file holds is skipped.
"""

import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

# protobuf cannot read a message of 2 GiB or more.
MAX_BYTES = 2**31 - 1

# Field name: (number, type), where a type in capitals is a message below; every field may be repeated.
MESSAGES = {
    "NET": {"layers": (2, "V1_LAYER"), "layer": (100, "LAYER")},
    "LAYER": {"name": (1, "bytes"), "blobs": (7, "BLOB")},
    "V1_LAYER": {"name": (4, "bytes"), "blobs": (6, "BLOB")},
    # Floats that a file holds packed, as Caffe writes them, are the bytes of an array: read as such, 646 MB need no
    # Python object per number. A file may also hold them one by one: NUMBERS reads both, slowly.
    "BLOB": {"shape": (7, "SHAPE"), "data": (5, "bytes"), "double_data": (8, "bytes")}
    | {side: (number, "int32") for number, side in enumerate(("num", "channels", "height", "width"), start=1)},
    "NUMBERS": {"data": (5, "float"), "double_data": (8, "double")},
    "SHAPE": {"dim": (1, "int64")},
}


class CaffeError(ValueError):
    """A Caffe model cannot be imported; the message is one sentence that names the file and says why."""


@dataclass(frozen=True)
class Blob:
    """One parameter of a layer.

    Attributes:
        shape: as the file gives it: Caffe's newer form of any length, or the older (num, channels, height, width).
        values: float32, flat; as many as the shape says.
    """

    shape: tuple[int, ...]
    values: NDArray[np.float32]


def read_layers(path: Path) -> Iterator[tuple[str, list[Blob]]]:
    """Yield every layer with parameters in the file's order: its name and its blobs.

    Raises:
        CaffeError: the file cannot be read, is not a Caffe model, or is incomplete.
    """
    net = _read_net(path)
    for layer in (*net.layer, *net.layers):
        if layer.blobs:
            name = b"".join(layer.name[-1:]).decode(errors="replace")
            yield name, [_read_blob(blob, f"{path}: layer {name}") for blob in layer.blobs]


def _message_classes() -> dict[str, Any]:
    """Create a class for each of `MESSAGES` at run time; type checkers cannot see them."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="dgrl_caffe.proto", package="dgrl_caffe")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            repeated = message.field.add(name=field_name, number=number, label=field.LABEL_REPEATED)
            if kind in MESSAGES:
                repeated.type, repeated.type_name = field.TYPE_MESSAGE, f".dgrl_caffe.{kind}"
            else:
                repeated.type = field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptors = {name: pool.FindMessageTypeByName(f"dgrl_caffe.{name}") for name in MESSAGES}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in descriptors.items()}


_CLASSES = _message_classes()


def _read_net(path: Path) -> Any:
    try:
        # Opening a pipe would block until another process writes, and some devices never end.
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise CaffeError(f"{path} is a device or a pipe, not a Caffe model")
        if path.stat().st_size > MAX_BYTES:
            raise CaffeError(f"{path} is larger than the 2 GiB that a Caffe model may have")
        net = _CLASSES["NET"].FromString(path.read_bytes())
    except OSError as error:
        raise CaffeError(f"{path} cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise CaffeError(f"{path} is not a Caffe model, or is incomplete") from error
    if not net.layer and not net.layers:
        raise CaffeError(f"{path} is not a Caffe model: it holds no layers")
    return net


def _read_blob(blob: Any, name: str) -> Blob:
    if blob.shape:
        shape = tuple(blob.shape[-1].dim)
    else:
        shape = tuple(side[-1] if side else 0 for side in (blob.num, blob.channels, blob.height, blob.width))
    try:
        values = _read_numbers(blob)
    except (DecodeError, ValueError) as error:
        raise CaffeError(f"{name} holds a damaged parameter") from error
    count = math.prod(shape) if min(shape, default=1) > 0 else 0
    if values.size != count:
        raise CaffeError(f"{name} says that a parameter is {shape}, and holds {values.size} numbers")
    return Blob(shape, values)


def _read_numbers(blob: Any) -> NDArray[np.float32]:
    if blob.data or blob.double_data:
        chunks, kind = (blob.data, "<f4") if blob.data else (blob.double_data, "<f8")
        # One chunk, which must not be copied once more; protobuf allows several.
        packed = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return np.frombuffer(packed, kind).astype(np.float32, copy=False)
    numbers = _CLASSES["NUMBERS"].FromString(blob.SerializeToString())
    return np.array(numbers.data or numbers.double_data, np.float32)
