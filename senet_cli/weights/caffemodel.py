"""Reading `.caffemodel` files: a protocol buffer NetParameter, layer by layer.

Field numbers are those of Caffe's `caffe.proto`. Layers are parsed one at a time, so that memory holds the
weights and one layer more, whatever the file says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from senet_cli.errors import CheckpointError, DiskError
from senet_cli.weights.arrays import State
from senet_cli.weights.publishers.caffe import class_order

Blobs = list[NDArray[np.float32]]

MAX_BYTES = 2**31 - 1
"""No protocol buffer is larger."""
_MAX_LAYER = 2**27
"""Bytes of one layer; the largest of the published networks has 9 MiB."""
_MAX_FIELDS = 100_000
_MAX_LAYER_FIELDS = 1_000
_MAX_DIMS = 32  # Caffe's own limit
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_OLD_LAYERS, _LAYER = 2, 100


def read_caffemodel(path: Path) -> State:
    """Read all weights of a file, float32, under the names of their layers.

    `conv1/7x7_s2.weight` and `classifier.bias` are the blobs of a layer. Batch norm and the Scale layer
    behind it, which in Caffe are two, come as one: `conv1/7x7_s2/bn.running_mean`, `.running_var`, `.weight`,
    `.bias`; the statistics are divided by their scale factor.

    Raises:
        CheckpointError: not such a file, or damaged, or of a kind of layer that SE networks do not have.
        DiskError: the file cannot be read.
    """
    tensors: State = {}
    try:
        with path.open("rb") as file:
            for layer in _layers(file, path):
                for key, values in _named(layer, path).items():
                    if key in tensors:
                        _fail(path, f"holds `{key[:100]}` twice")
                    tensors[key] = values
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error
    if not tensors:
        _fail(path, "holds no layer with weights")
    return tensors


def to_our_conventions(state: State) -> State:
    """Convert tensors under our keys, as the Caffe network has them -> as ours has them.

    The first convolution takes RGB instead of BGR. The head's classes are put in the order of sorted WordNet
    identifiers; a head that has another number of classes than ImageNet-1k was trained by somebody else, in
    an order that only they know, and stays as it is.
    """
    first = next(key for key, value in state.items() if key.startswith("stem.") and value.ndim == 4)
    turned = {first: state[first][:, ::-1]}
    if len(state["head.bias"]) == len(class_order()):
        rows = np.array(class_order())
        turned |= {key: state[key][rows] for key in ("head.weight", "head.bias")}
    return state | turned


def _fail(path: Path, problem: str, hint: str = "Fetch the file again.") -> NoReturn:
    raise CheckpointError(f"`{path}` {problem}", hint)


# --- layers -------------------------------------------------------------------------------------


@cache
def _layer_message() -> Any:
    """Make a class that parses a LayerParameter, as far as weights need it.

    The numbers of a blob are declared as bytes, which is what packed floats are on the wire; so they are
    taken over in one piece and not one by one.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="senet/caffe.proto", package="senet.caffe")
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(message_name: str, /, **fields: tuple[int, Any]) -> None:
        described = file.message_type.add(name=message_name)
        for field, (number, kind) in fields.items():
            repeated = field.endswith("s")
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            added = described.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".senet.caffe.{kind}"
            else:
                added.type = kind

    message("BlobShape", dims=(1, kinds.TYPE_INT64))
    message(
        "BlobProto",
        num=(1, kinds.TYPE_INT32),
        channel=(2, kinds.TYPE_INT32),
        height=(3, kinds.TYPE_INT32),
        width=(4, kinds.TYPE_INT32),
        floats=(5, kinds.TYPE_BYTES),
        shape=(7, "BlobShape"),
    )
    message(
        "LayerParameter",
        name=(1, kinds.TYPE_BYTES),
        type=(2, kinds.TYPE_BYTES),
        blobs=(7, "BlobProto"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("senet.caffe.LayerParameter"))


def _layers(file: BinaryIO, path: Path) -> Iterator[Any]:
    from google.protobuf.message import DecodeError

    size = file.seek(0, 2)
    file.seek(0)
    if size > MAX_BYTES:
        _fail(path, f"is larger than any .caffemodel can be ({size} bytes)", "Is it another kind of file?")
    for number, wire, length in _fields(file, size, _MAX_FIELDS, path):
        if number == _OLD_LAYERS:
            _fail(
                path,
                "holds layers of an old format (V1LayerParameter)",
                "Caffe's `upgrade_net_proto_binary` turns it into one that is read.",
            )
        if number != _LAYER or wire != _BYTES:
            continue
        if length > _MAX_LAYER:
            _fail(path, f"holds a layer of {length} bytes", "SE networks have none so large.")
        data = file.read(length)
        for _ in _fields(BytesIO(data), length, _MAX_LAYER_FIELDS, path):
            pass  # neither absurdly many fields nor damaged ones
        try:
            yield _layer_message().FromString(data)
        except DecodeError as error:
            raise CheckpointError(
                f"`{path}` is damaged: a layer cannot be parsed", "Fetch the file again."
            ) from error


def _fields(file: BinaryIO, size: int, most: int, path: Path) -> Iterator[tuple[int, int, int]]:
    """Yield number, wire type and length of each field; the file then stands at its value."""
    for _ in range(most):
        if file.tell() >= size:
            return
        tag = _varint(file, path)
        wire = tag & 7
        if wire == _VARINT:
            start = file.tell()
            _varint(file, path)
            length = file.tell() - start
            file.seek(start)
        else:
            fixed = {_FIXED64: 8, _FIXED32: 4}
            length = _varint(file, path) if wire == _BYTES else fixed.get(wire, size)
        start = file.tell()
        if tag >> 3 == 0 or start + length > size:
            _fail(path, "is damaged or cut short, or not a .caffemodel")
        yield tag >> 3, wire, length
        file.seek(start + length)
    _fail(path, "holds absurdly many fields", "Is it another kind of file?")


def _varint(file: BinaryIO, path: Path) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    _fail(path, "is damaged or cut short, or not a .caffemodel")


# --- weights ------------------------------------------------------------------------------------


def _named(layer: Any, path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the weights of one layer under their keys; nothing if it has none."""
    if not layer.blobs:
        return {}
    name, kind = (text.decode("utf-8", "replace") for text in (layer.name, layer.type))
    blobs = [_blob(blob, name, path) for blob in layer.blobs]
    match kind, len(blobs):
        case "BatchNorm", 3:
            return _statistics(name, blobs, path)
        case "Scale", 1 | 2:
            name = name.removesuffix("/scale")  # the batch norm before it
            return _keyed(name, [blob.reshape(-1) for blob in blobs])
        case "Convolution", 1 | 2:
            return _keyed(name, [blobs[0], *(blob.reshape(-1) for blob in blobs[1:])])
        case "InnerProduct", 1 | 2:
            weight, *bias = blobs
            return _keyed(name, [weight.reshape(weight.shape[-2:]), *(blob.reshape(-1) for blob in bias)])
    _fail(
        path,
        f"holds the layer `{name[:100]}` ({kind[:100]}, {len(blobs)} blobs), which SE networks do not have",
        "Is it the file of another network?",
    )


def _keyed(name: str, blobs: Blobs) -> dict[str, NDArray[np.float32]]:
    return {f"{name}.{tensor}": blob for tensor, blob in zip(("weight", "bias"), blobs, strict=False)}


def _statistics(name: str, blobs: Blobs, path: Path) -> dict[str, NDArray[np.float32]]:
    """Caffe keeps sums that fade, and a third blob with the sum of their weights; 0 for none so far."""
    mean, variance, factor = (blob.reshape(-1) for blob in blobs)
    if factor.size != 1:
        _fail(path, f"holds {factor.size} scale factors in `{name[:100]}` instead of one")
    scale = np.float32(0) if factor[0] == 0 else np.float32(1) / factor[0]  # as Caffe calculates it
    with np.errstate(all="ignore"):  # what is not finite is refused with all other tensors
        return {f"{name}.running_mean": mean * scale, f"{name}.running_var": variance * scale}


def _blob(blob: Any, name: str, path: Path) -> NDArray[np.float32]:
    """Copy the numbers of a blob, in their shape."""
    data = b"".join(blob.floats)
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dims[: _MAX_DIMS + 1])
    else:
        shape = (blob.num, blob.channel, blob.height, blob.width)
    fits = len(shape) <= _MAX_DIMS and all(0 < side <= len(data) for side in shape)
    if not data or not fits or 4 * math.prod(shape) != len(data):
        dims = "x".join(map(str, shape[:4])) or "a scalar"
        _fail(path, f"holds {len(data) // 4} numbers in a blob of `{name[:100]}` that says it is {dims}")
    return np.frombuffer(data, "<f4").astype(np.float32).reshape(shape)
