"""Reading .caffemodel files that the tests write byte by byte, good ones and bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from senet_cli.catalogue.labels import load_labels
from senet_cli.errors import CheckpointError
from senet_cli.nets.network import SENetwork
from senet_cli.specs import ArchSpec, Bottleneck, ConvStem, Shortcut, SqueezeExcite, StemPool
from senet_cli.weights.caffemodel import read_caffemodel, to_our_conventions
from senet_cli.weights.load import load_network, load_own_network
from senet_cli.weights.publishers.caffe import CAFFE, class_order
from tests.oracles.caffe import Array, blob_bytes, field, layer_bytes, varint

SPEC = ArchSpec(
    stem=ConvStem(8, 7, 2),
    pool=StemPool(padding=0, ceil_mode=True),
    block=Bottleneck(stride_in="conv1"),
    shortcut=Shortcut(),
    se=SqueezeExcite(reduction=4),
    depths=(1, 2),
    widths=(8, 8),
    classes=5,
)
FACTOR = 7.0


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def published(spoil: tuple[str, float] | None = None) -> tuple[bytes, dict[str, torch.Tensor]]:
    """A file that Caffe could have written, and our tensors as they stand in it, before any convention.

    With `spoil` one number of the tensor of that key is another.
    """
    random = torch.Generator().manual_seed(0)
    state = {
        key: torch.rand(value.shape, generator=random) + 0.5
        for key, value in SENetwork(SPEC).state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    if spoil:
        state[spoil[0]].view(-1)[-1] = spoil[1]
    layers = b""
    for module in dict.fromkeys(key.rpartition(".")[0] for key in state):
        name = CAFFE.module(module)
        tensors = {
            key.rpartition(".")[2]: state[key].numpy() for key in state if key.startswith(module + ".")
        }
        if "running_mean" in tensors:
            statistics = [tensors["running_mean"] * FACTOR, tensors["running_var"] * FACTOR, floats(FACTOR)]
            layers += layer_bytes(name, "BatchNorm", statistics)
            layers += layer_bytes(f"{name}/scale", "Scale", [tensors["weight"], tensors["bias"]])
        elif ".se." in module:  # 1x1 convolutions there, linear maps here
            blobs = [tensors["weight"][:, :, None, None], tensors["bias"]]
            layers += layer_bytes(name, "Convolution", blobs)
        else:
            layers += layer_bytes(
                name, "InnerProduct" if module == "head" else "Convolution", [*tensors.values()]
            )
    return field(1, b"a network") + layers, state


GOOD, STATE = published()


def file_of(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(data)
    return path


def refused(tmp_path: Path, data: bytes) -> CheckpointError:
    path = file_of(tmp_path, data)
    with pytest.raises(CheckpointError) as caught:
        load_network(path, SPEC, CAFFE)
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 1500
    return caught.value


# --- good files ---------------------------------------------------------------------------------


def test_every_tensor_comes_out(tmp_path: Path) -> None:
    path = file_of(tmp_path, GOOD)
    for network in (load_network(path, SPEC, CAFFE), load_own_network(path, SPEC)):
        read = network.state_dict()
        for key, value in STATE.items():
            expected = value.flip(1) if key == "stem.conv.weight" else value
            torch.testing.assert_close(read[key], expected, rtol=1e-6, atol=0)


def test_what_weights_do_not_need_is_skipped(tmp_path: Path) -> None:
    other = field(3, b"input") + varint(5 << 3) + varint(1) + varint(9 << 3 | 5) + b"abcd"
    skipped = other + varint(10 << 3 | 1) + b"12345678" + layer_bytes("relu", "ReLU", [])
    data = GOOD + skipped
    assert load_network(file_of(tmp_path, data), SPEC, CAFFE).spec == SPEC


def test_old_blobs_have_four_sides(tmp_path: Path) -> None:
    """Before BlobShape: num, channels, height, width, with ones in front of vectors and matrices."""

    def old(blob: Array) -> bytes:
        sides = (1,) * (4 - blob.ndim) + blob.shape
        numbers = b"".join(varint(n << 3) + varint(side) for n, side in enumerate(sides, start=1))
        return field(7, numbers + field(5, blob.tobytes()))

    weight, bias = np.ones((3, 2), np.float32), floats(1, 2, 3)
    layer = field(1, b"fc") + field(2, b"InnerProduct") + old(weight) + old(bias)
    read = read_caffemodel(file_of(tmp_path, field(100, layer)))
    assert {key: tuple(value.shape) for key, value in read.items()} == {"fc.weight": (3, 2), "fc.bias": (3,)}


def test_numbers_in_several_pieces_are_joined(tmp_path: Path) -> None:
    """A protocol buffer may split a packed field."""
    blob = field(
        7, field(7, field(1, varint(2))) + field(5, floats(1).tobytes()) + field(5, floats(2).tobytes())
    )
    layer = field(1, b"x/scale") + field(2, b"Scale") + blob
    assert read_caffemodel(file_of(tmp_path, field(100, layer)))["x.weight"].tolist() == [1, 2]


def test_a_batch_norm_that_saw_nothing_has_zero_statistics(tmp_path: Path) -> None:
    data = layer_bytes("x", "BatchNorm", [floats(1, 2), floats(3, 4), floats(0)])
    read = read_caffemodel(file_of(tmp_path, data))
    assert read["x.running_mean"].tolist() == read["x.running_var"].tolist() == [0, 0]


# --- conventions --------------------------------------------------------------------------------


def test_the_order_of_the_classes(data: Path) -> None:
    """`ILSVRC2017_val.txt` of the authors gives the first validation image, a sea snake, the number 489."""
    ids = load_labels("imagenet-1k").ids
    assert sorted(class_order()) == list(range(1000))
    assert class_order()[ids.index("n01751748")] == 489
    assert class_order()[ids.index("n02119789")] == 0
    published = json.loads((data / "metadata/official_caffe_senet_label_order.json").read_text())
    assert [published[number] for number in class_order()] == list(ids)


def test_only_a_head_for_imagenet_is_put_in_order() -> None:
    first = np.arange(12.0).reshape(1, 3, 2, 2)
    for classes in (1000, 7):
        state = {
            "stem.conv.weight": first,
            "head.weight": np.arange(2.0 * classes).reshape(classes, 2),
            "head.bias": np.arange(float(classes)),
        }
        turned = to_our_conventions(state)
        assert np.array_equal(turned["stem.conv.weight"], first[:, [2, 1, 0]])
        ordered = list(class_order()) if classes == 1000 else list(range(classes))
        assert turned["head.bias"].tolist() == ordered
        assert turned["head.weight"][:, 0].tolist() == [2 * number for number in ordered]


# --- bad files ----------------------------------------------------------------------------------


def layer_of(*blobs: bytes, name: bytes = b"x", kind: bytes = b"Convolution") -> bytes:
    return field(100, field(1, name) + field(2, kind) + b"".join(field(7, blob) for blob in blobs))


def blob_of(dims: bytes, data: bytes) -> bytes:
    return field(7, field(1, dims)) + field(5, data)


TEXT = b"name: 'LeNet'\nlayer { name: 'conv1' }\n"
HUGE = varint(2**62)
BAD = {
    "old layers": (field(1, b"n") + field(2, field(4, b"conv1")), "old format"),
    "no layers": (field(1, b"n"), "no layer with weights"),
    "layers without weights": (GOOD[:11] + layer_bytes("relu", "ReLU", []), "no layer with weights"),
    "a text": (b"\n" + TEXT, "damaged or cut short"),
    "a prototxt": (TEXT, "neither"),
    "field zero": (field(1, b"n") + b"\x02\x01a", "damaged or cut short"),
    "a group": (field(1, b"n") + b"\x0b\x0c", "damaged or cut short"),
    "an endless varint": (field(1, b"n") + b"\xff" * 20, "damaged or cut short"),
    "a huge length": (field(1, b"n") + b"\xa2\x06" + HUGE, "damaged or cut short"),
    "a huge length inside": (field(1, b"n") + field(100, b"\x3a" + HUGE), "damaged or cut short"),
    "shape and numbers differ": (layer_of(blob_of(varint(3), bytes(8))), "holds 2 numbers in a blob of `x`"),
    "three bytes": (layer_of(blob_of(varint(1), bytes(3))), "holds 0 numbers"),
    "no numbers": (layer_of(blob_of(varint(0), b"")), "holds 0 numbers"),
    "a shape of 2**62": (layer_of(blob_of(HUGE + HUGE, bytes(8))), "numbers in a blob"),
    "a negative side": (layer_of(blob_of(b"\xff" * 9 + b"\x01" + varint(2), bytes(8))), "numbers in a blob"),
    "too many sides": (layer_of(blob_of(varint(1) * 33, bytes(4))), "numbers in a blob"),
    "no shape": (layer_of(field(5, bytes(8))), "numbers in a blob"),
    "unpacked numbers": (layer_of(field(7, field(1, varint(1))) + b"\x2d" + bytes(4)), "holds 0 numbers"),
    "a blob that is no blob": (layer_of(b"\x3a\xff"), "cannot be parsed"),
    "another kind of layer": (layer_of(blob_bytes(floats(1)), kind=b"PReLU"), "PReLU"),
    "two scale factors": (
        layer_bytes("x", "BatchNorm", [floats(1), floats(1), floats(1, 2)]),
        "2 scale factors in `x`",
    ),
    "one layer twice": (layer_bytes("x", "Convolution", [floats(1)]) * 2, "`x.weight` twice"),
    "a layer missing": (GOOD[: GOOD.index(b"\n\nclassifier") - 4], "does not fit"),
    "a layer too many": (GOOD + layer_bytes("more", "Convolution", [floats(1)]), "more.weight"),
    "a name that is no text": (GOOD + layer_of(blob_bytes(floats(1)), name=b"\xff\xfe"), "not known"),
    "fields without end": (field(1, b"n") + b"\x28\x01" * 100_001, "absurdly many fields"),
    "blobs without end": (layer_of(*[b""] * 1_001), "absurdly many fields"),
}


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
def test_bad_files_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    assert reason in refused(tmp_path, data).message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["stage1.0.conv2.weight", "stage1.0.norm2.running_var", "head.bias"])
def test_weights_that_are_no_numbers_are_refused(value: float, key: str, tmp_path: Path) -> None:
    data, _ = published(spoil=(key, value))
    assert "not a number" in refused(tmp_path, data).message


def test_a_layer_larger_than_any_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, field(1, b"n") + b"\xa2\x06" + varint(2**27 + 1))
    with path.open("r+b") as file:
        file.truncate(2**28)  # a hole, no bytes on the disk
    with pytest.raises(CheckpointError, match="a layer of 134217729 bytes"):
        read_caffemodel(path)


def test_a_file_larger_than_the_format_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, GOOD)
    with path.open("r+b") as file:
        file.truncate(2**31)
    with pytest.raises(CheckpointError, match="larger than any"):
        read_caffemodel(path)


@pytest.mark.parametrize("end", range(1, 400, 7))
def test_a_file_cut_short_is_refused(end: int, tmp_path: Path) -> None:
    refused(tmp_path, GOOD[:end])
    refused(tmp_path, GOOD[:-end])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read(at: int, byte: int, tmp_path: Path) -> None:
    data = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    try:
        network = load_network(file_of(tmp_path, data), SPEC, CAFFE)
    except CheckpointError:
        return
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_memory_is_bounded_by_the_file(tmp_path: Path) -> None:
    """A million empty layers, and one with blobs that claim what they do not hold, take next to nothing."""
    claim = layer_of(blob_of(varint(2**30), bytes(4)))
    path = file_of(tmp_path, field(1, b"n") + field(100, b"") * 90_000 + claim)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from senet_cli.errors import CheckpointError\n"
        "from senet_cli.weights.caffemodel import read_caffemodel\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_caffemodel(Path(sys.argv[1]))\n"
        "except CheckpointError as error: assert 'numbers in a blob' in error.message\n"
        "else: raise SystemExit('read')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * 1024, f"{done.stdout} KiB"
