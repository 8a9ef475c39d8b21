"""Every rule of the manifest broken once: the message names file, entry and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.architectures import BasicBlock, ConvStem, DeepStem, SENetBottleneck
from senet_cli.errors import DiskError, ExitCode, ManifestError, UnknownModelError
from senet_cli.manifest import Manifest, load_manifest
from senet_cli.manifest.fields import Fields
from senet_cli.manifest.lookup import parse_manifest
from senet_cli.manifest.parse import parse_name

Step = str | int
GONE = object()
"""As a value: the field is left out."""

PREPROCESS = {
    "resize": 40,
    "crop": 32,
    "interpolation": "bicubic",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
}
ARCHITECTURE: dict[str, Any] = {
    "stem": {"type": "conv", "kernel": 3, "stride": 1, "channels": 16},
    "pool": {"padding": 1, "ceil_mode": False},
    "block": {"type": "bottleneck", "cardinality": 2, "base_width": 32, "stride_in": "conv1"},
    "shortcut": {"kernel": 1},
    "se": {"reduction": 16, "first_reduction": 8, "bias": True, "hidden_multiple": 8},
    "depths": [1, 2],
    "widths": [16, 32],
    "classes": 10,
    "dropout": 0.1,
    "preprocess": PREPROCESS,
    "labels": "cifar-10",
}
CHECKPOINT: dict[str, Any] = {
    "publisher": "someone",
    "architecture": "mynet-arch",
    "classes": 10,
    "labels": "cifar-10",
    "preprocess": PREPROCESS,
    "files": [
        {
            "urls": ["https://example.org/a.pth", "https://mirror.example.org/a.pth"],
            "sha256": "0" * 64,
            "bytes": 1000,
            "format": "torch",
            "layout": "timm",
        }
    ],
    "metrics": [{"dataset": "cifar-10", "top1": 90.0, "top5": 99.5, "size": 32, "source": "a paper"}],
    "licence": {"name": "MIT", "note": "as the author says"},
    "aliases": ["somebody/mynet"],
    "sources": ["a paper"],
}
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "architectures": {"mynet-arch": ARCHITECTURE},
    "checkpoints": {"mynet.mine": CHECKPOINT},
    "defaults": {"mynet": "mynet.mine"},
}

ARCH = ("architectures", "mynet-arch")
CKPT = ("checkpoints", "mynet.mine")
FILE = (*CKPT, "files", 0)


def changed(*changes: tuple[tuple[Step, ...], Any]) -> dict[str, Any]:
    """A manifest that is right but for what stands at these places."""
    manifest = json.loads(json.dumps(MANIFEST))  # unlike deepcopy this shares nothing
    for place, value in changes:
        target: Any = manifest
        for step in place[:-1]:
            target = target[step]
        if value is GONE:
            del target[place[-1]]
        else:
            target[place[-1]] = value
    return manifest


@pytest.fixture
def load(tmp_path: Path) -> Callable[[object], Manifest]:
    """Write a manifest as a user would (a text or bytes as it is) and load it over the bundled one."""

    def write_and_load(content: object) -> Manifest:
        path = tmp_path / "own manifest.json"
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_manifest(path)

    return write_and_load


def refusal(load: Callable[[object], Manifest], content: object) -> str:
    """The message with which a manifest is refused; it names the file."""
    with pytest.raises(ManifestError) as caught:
        load(content)
    assert caught.value.exit_code == ExitCode.MODEL
    message = caught.value.message
    assert "own manifest.json" in message
    assert len(message) < 500
    return message


# --- what is right ------------------------------------------------------------------------------


def test_every_field_arrives(load: Callable[[object], Manifest]) -> None:
    manifest = load(MANIFEST)
    checkpoint = manifest.checkpoint("mynet")
    assert checkpoint == manifest.checkpoint("mynet.mine") == manifest.checkpoint("Somebody/MyNet")
    assert checkpoint.name == "mynet.mine"
    assert checkpoint.publisher == "someone"
    assert checkpoint.labels == "cifar-10"
    assert checkpoint.preprocess.resize == 40
    assert checkpoint.preprocess.crop == 32
    assert checkpoint.preprocess.interpolation == "bicubic"
    assert checkpoint.preprocess.mean == (0.5, 0.5, 0.5)
    assert checkpoint.preprocess.std == (0.25, 0.25, 0.25)
    (file,) = checkpoint.files
    assert file.urls == ("https://example.org/a.pth", "https://mirror.example.org/a.pth")
    assert file.digest.value == "0" * 64
    assert file.digest.full
    assert (file.size, file.max_bytes, file.format, file.layout) == (1000, 1000, "torch", "timm")
    assert file.names == ("a.pth",)
    (metric,) = checkpoint.metrics
    assert (metric.dataset, metric.top1, metric.top5, metric.size) == ("cifar-10", 90.0, 99.5, 32)
    assert checkpoint.metric == metric
    assert (checkpoint.licence.name, checkpoint.licence.note) == ("MIT", "as the author says")
    assert checkpoint.sources == ("a paper",)
    spec = checkpoint.architecture.spec
    assert spec.stem == ConvStem(channels=16, kernel=3, stride=1)
    assert spec.pool is not None
    assert (spec.pool.padding, spec.pool.ceil_mode) == (1, False)
    assert (spec.depths, spec.widths, spec.classes, spec.dropout) == ((1, 2), (16, 32), 10, 0.1)
    assert spec.se is not None
    assert (spec.se.reduction, spec.se.first_reduction, spec.se.bias) == (16, 8, True)
    assert spec.se.hidden_multiple == 8
    assert spec.shortcut.kernel == 1


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("stem", {"type": "deep", "channels": [8, 8, 16]}, "stem", DeepStem((8, 8, 16))),
        ("block", {"type": "basic"}, "block", BasicBlock()),
        (
            "block",
            {"type": "senet-bottleneck", "cardinality": 2, "base_width": 32},
            "block",
            SENetBottleneck(2, 32),
        ),
        ("pool", None, "pool", None),
        ("pool", GONE, "pool", None),
        ("se", None, "se", None),
        ("se", GONE, "se", None),
        ("dropout", GONE, "dropout", 0.0),
    ],
)
def test_parts_of_an_architecture(
    load: Callable[[object], Manifest], field: str, value: object, attribute: str, expected: object
) -> None:
    manifest = load(changed(((*ARCH, field), value)))
    assert getattr(manifest.architecture("mynet-arch").spec, attribute) == expected


def test_what_may_be_left_out_has_a_default(load: Callable[[object], Manifest]) -> None:
    optional = [(*CKPT, name) for name in ("classes", "labels", "metrics", "aliases", "sources")]
    optional += [(*FILE, "bytes"), (*CKPT, "licence", "note"), ("defaults",)]
    checkpoint = load(changed(*((place, GONE) for place in optional))).checkpoint("mynet.mine")
    assert checkpoint.labels == "cifar-10"
    assert checkpoint.architecture.spec.classes == 10
    assert (checkpoint.metrics, checkpoint.aliases, checkpoint.sources) == ((), (), ())
    assert checkpoint.metric is None
    assert checkpoint.files[0].size is None
    assert checkpoint.files[0].max_bytes == 2 * 2**30


def test_a_checkpoint_may_have_another_number_of_classes(load: Callable[[object], Manifest]) -> None:
    manifest = load(changed(((*CKPT, "classes"), 7)))
    assert manifest.checkpoint("mynet").architecture.spec.classes == 7
    assert manifest.architecture("mynet-arch").spec.classes == 10


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.pth?download=true",
        "https://example.org:8443/a.pth",
        "http://localhost:8000/a.pth",
        "http://127.0.0.1/a.pth",
        "http://[::1]:8000/a.pth",
        "file:///weights/a.pth",
    ],
)
def test_addresses_that_are_allowed(load: Callable[[object], Manifest], url: str) -> None:
    assert load(changed(((*FILE, "urls"), [url]))).checkpoint("mynet").files[0].urls == (url,)


# --- what is wrong ------------------------------------------------------------------------------

BROKEN: list[tuple[tuple[Step, ...], Any, tuple[str, ...]]] = [
    # the manifest
    (("checkpoint",), {}, ("unknown field", "`checkpoint`")),
    (("architectures",), [], ("architectures", "expected an object")),
    (("checkpoints",), "x", ("checkpoints", "expected an object")),
    (("defaults",), [], ("defaults", "expected an object")),
    (("defaults", "mynet"), "nothing.here", ("defaults", "`mynet`", "`nothing.here`")),
    (("defaults", "mynet"), 1, ("defaults", "`mynet`")),
    (("defaults", "my net"), "mynet.mine", ("defaults", "`my net`")),
    # an architecture
    (ARCH, [], ("mynet-arch", "expected an object")),
    (("architectures", "My Net"), ARCHITECTURE, ("architectures", "My Net", "is not a name")),
    ((*ARCH, "colour"), 1, ("mynet-arch", "unknown field `colour`")),
    ((*ARCH, "stem"), GONE, ("mynet-arch", "`stem`")),
    ((*ARCH, "stem", "type"), GONE, ("mynet-arch: stem", "`type`")),
    ((*ARCH, "stem", "type"), "wide", ("mynet-arch: stem", "`type`", "wide", "conv, deep")),
    ((*ARCH, "stem", "type"), ["conv"], ("mynet-arch: stem", "`type`")),
    ((*ARCH, "stem", "kernel"), 5, ("mynet-arch: stem", "`kernel`", "3, 7")),
    ((*ARCH, "stem", "kernel"), "3", ("mynet-arch: stem", "`kernel`")),
    ((*ARCH, "stem", "stride"), 3, ("mynet-arch: stem", "`stride`")),
    ((*ARCH, "stem", "stride"), True, ("mynet-arch: stem", "`stride`")),
    ((*ARCH, "stem", "channels"), 0, ("mynet-arch: stem", "`channels`")),
    ((*ARCH, "stem", "channels"), 1.5, ("mynet-arch: stem", "`channels`")),
    ((*ARCH, "stem", "bias"), True, ("mynet-arch: stem", "unknown field `bias`")),
    ((*ARCH, "stem"), {"type": "deep", "channels": [1, 2]}, ("mynet-arch: stem", "`channels`")),
    ((*ARCH, "stem"), {"type": "deep", "channels": 64}, ("mynet-arch: stem", "`channels`")),
    ((*ARCH, "pool", "padding"), 2, ("mynet-arch: pool", "`padding`")),
    ((*ARCH, "pool", "padding"), False, ("mynet-arch: pool", "`padding`")),
    ((*ARCH, "pool", "ceil_mode"), 1, ("mynet-arch: pool", "`ceil_mode`")),
    ((*ARCH, "pool", "ceil_mode"), GONE, ("mynet-arch: pool", "`ceil_mode`")),
    ((*ARCH, "pool", "size"), 3, ("mynet-arch: pool", "unknown field `size`")),
    ((*ARCH, "pool"), False, ("mynet-arch: pool", "expected an object")),
    ((*ARCH, "block", "type"), "bottle", ("mynet-arch: block", "`type`")),
    ((*ARCH, "block", "stride_in"), "conv3", ("mynet-arch: block", "`stride_in`")),
    ((*ARCH, "block", "stride_in"), GONE, ("mynet-arch: block", "`stride_in`")),
    ((*ARCH, "block", "cardinality"), 0, ("mynet-arch: block", "`cardinality`")),
    ((*ARCH, "block", "base_width"), 10**6, ("mynet-arch: block", "`base_width`")),
    ((*ARCH, "block"), {"type": "basic", "cardinality": 2}, ("mynet-arch: block", "`cardinality`")),
    ((*ARCH, "block"), {"type": "senet-bottleneck"}, ("mynet-arch: block", "`cardinality`")),
    ((*ARCH, "shortcut"), GONE, ("mynet-arch", "`shortcut`")),
    ((*ARCH, "shortcut", "kernel"), 2, ("mynet-arch: shortcut", "`kernel`")),
    ((*ARCH, "shortcut", "kernel"), True, ("mynet-arch: shortcut", "`kernel`")),
    ((*ARCH, "shortcut", "kernel"), 1.0, ("mynet-arch: shortcut", "`kernel`")),
    ((*ARCH, "se", "reduction"), 0, ("mynet-arch: se", "`reduction`")),
    ((*ARCH, "se", "first_reduction"), -1, ("mynet-arch: se", "`first_reduction`")),
    ((*ARCH, "se", "bias"), "yes", ("mynet-arch: se", "`bias`")),
    ((*ARCH, "se", "hidden_multiple"), None, ("mynet-arch: se", "`hidden_multiple`")),
    ((*ARCH, "depths"), [], ("mynet-arch", "`depths`", "`widths`")),
    ((*ARCH, "depths"), [1], ("mynet-arch", "`depths`", "`widths`")),
    ((*ARCH, "depths"), [1, 0], ("mynet-arch", "`depths`")),
    ((*ARCH, "depths"), [1, True], ("mynet-arch", "`depths`")),
    ((*ARCH, "widths"), [16, "32"], ("mynet-arch", "`widths`")),
    ((*ARCH, "widths"), 16, ("mynet-arch", "`widths`", "an array")),
    ((*ARCH, "classes"), 0, ("mynet-arch", "`classes`")),
    ((*ARCH, "classes"), GONE, ("mynet-arch", "`classes`")),
    ((*ARCH, "dropout"), 1, ("mynet-arch", "`dropout`")),
    ((*ARCH, "dropout"), "0.5", ("mynet-arch", "`dropout`")),
    ((*ARCH, "labels"), GONE, ("mynet-arch", "`labels`")),
    ((*ARCH, "labels"), "../cifar-10", ("mynet-arch", "`../cifar-10`", "labels")),
    ((*ARCH, "preprocess"), GONE, ("mynet-arch", "`preprocess`")),
    # preprocessing
    ((*CKPT, "preprocess", "resize"), 0, ("mynet.mine: preprocess", "`resize`")),
    ((*CKPT, "preprocess", "resize"), 224.0, ("mynet.mine: preprocess", "`resize`")),
    ((*CKPT, "preprocess", "crop"), 5000, ("mynet.mine: preprocess", "`crop`")),
    ((*CKPT, "preprocess", "crop"), GONE, ("mynet.mine: preprocess", "`crop`")),
    ((*CKPT, "preprocess", "interpolation"), "nearest", ("mynet.mine: preprocess", "`interpolation`")),
    ((*CKPT, "preprocess", "interpolation"), None, ("mynet.mine: preprocess", "`interpolation`")),
    ((*CKPT, "preprocess", "mean"), [0.5, 0.5], ("mynet.mine: preprocess", "`mean`")),
    ((*CKPT, "preprocess", "mean"), [0.5, 0.5, 104], ("mynet.mine: preprocess", "`mean`")),
    ((*CKPT, "preprocess", "mean"), 0.5, ("mynet.mine: preprocess", "`mean`")),
    ((*CKPT, "preprocess", "std"), [0, 0.2, 0.2], ("mynet.mine: preprocess", "`std`")),
    ((*CKPT, "preprocess", "std"), [True, 0.2, 0.2], ("mynet.mine: preprocess", "`std`")),
    ((*CKPT, "preprocess", "gamma"), 2, ("mynet.mine: preprocess", "unknown field `gamma`")),
    # a checkpoint
    (CKPT, None, ("mynet.mine", "expected an object")),
    ((*CKPT, "publisher"), GONE, ("mynet.mine", "`publisher`")),
    ((*CKPT, "publisher"), "", ("mynet.mine", "`publisher`")),
    ((*CKPT, "architecture"), "seresnet1000", ("mynet.mine", "`architecture`", "seresnet1000")),
    ((*CKPT, "architecture"), 50, ("mynet.mine", "`architecture`")),
    ((*CKPT, "classes"), "10", ("mynet.mine", "`classes`")),
    ((*CKPT, "labels"), "CIFAR 10", ("mynet.mine", "CIFAR 10", "labels")),
    ((*CKPT, "colour"), 1, ("mynet.mine", "unknown field `colour`")),
    ((*CKPT, "licence"), GONE, ("mynet.mine", "`licence`")),
    ((*CKPT, "licence"), "MIT", ("mynet.mine: licence", "expected an object")),
    ((*CKPT, "licence", "name"), GONE, ("mynet.mine: licence", "`name`")),
    ((*CKPT, "licence", "note"), 1, ("mynet.mine: licence", "`note`")),
    ((*CKPT, "licence", "url"), "x", ("mynet.mine: licence", "unknown field `url`")),
    ((*CKPT, "aliases"), "mynet", ("mynet.mine", "`aliases`")),
    ((*CKPT, "aliases"), [1], ("mynet.mine", "`aliases`")),
    ((*CKPT, "aliases"), ["My Net"], ("mynet.mine", "`My Net`", "alias")),
    ((*CKPT, "aliases"), ["a/b/c"], ("mynet.mine", "`a/b/c`", "alias")),
    ((*CKPT, "sources"), [None], ("mynet.mine", "`sources`")),
    # an accuracy
    ((*CKPT, "metrics"), {}, ("mynet.mine", "`metrics`")),
    ((*CKPT, "metrics", 0), 90, ("mynet.mine: metrics[0]", "expected an object")),
    ((*CKPT, "metrics", 0, "top1"), 100.5, ("mynet.mine: metrics[0]", "`top1`")),
    ((*CKPT, "metrics", 0, "top1"), GONE, ("mynet.mine: metrics[0]", "`top1`")),
    ((*CKPT, "metrics", 0, "top5"), -1, ("mynet.mine: metrics[0]", "`top5`")),
    ((*CKPT, "metrics", 0, "size"), "224", ("mynet.mine: metrics[0]", "`size`")),
    ((*CKPT, "metrics", 0, "dataset"), "", ("mynet.mine: metrics[0]", "`dataset`")),
    ((*CKPT, "metrics", 0, "source"), GONE, ("mynet.mine: metrics[0]", "`source`")),
    ((*CKPT, "metrics", 0, "top10"), 1, ("mynet.mine: metrics[0]", "unknown field `top10`")),
    # a file
    ((*CKPT, "files"), GONE, ("mynet.mine", "`files`")),
    ((*CKPT, "files"), [], ("mynet.mine", "`files`", "empty")),
    ((*CKPT, "files"), {}, ("mynet.mine", "`files`")),
    (FILE, "https://example.org/a.pth", ("mynet.mine: files[0]", "expected an object")),
    ((*FILE, "urls"), GONE, ("mynet.mine: files[0]", "`urls`")),
    ((*FILE, "urls"), [], ("mynet.mine: files[0]", "`urls`", "empty")),
    ((*FILE, "urls"), "https://example.org/a.pth", ("mynet.mine: files[0]", "`urls`", "an array")),
    ((*FILE, "urls"), [""], ("mynet.mine: files[0]", "`urls`")),
    ((*FILE, "url"), "x", ("mynet.mine: files[0]", "unknown field `url`")),
    ((*FILE, "sha256"), GONE, ("mynet.mine: files[0]", "`sha256`", "`sha256_prefix`")),
    ((*FILE, "sha256_prefix"), "0" * 8, ("mynet.mine: files[0]", "`sha256`", "`sha256_prefix`")),
    ((*FILE, "sha256"), "0" * 63, ("mynet.mine: files[0]", "`sha256`", "64")),
    ((*FILE, "sha256"), "0" * 65, ("mynet.mine: files[0]", "`sha256`", "64")),
    ((*FILE, "sha256"), "A" * 64, ("mynet.mine: files[0]", "`sha256`", "lower-case")),
    ((*FILE, "sha256"), "g" * 64, ("mynet.mine: files[0]", "`sha256`")),
    ((*FILE, "sha256"), "\u0660" * 64, ("mynet.mine: files[0]", "`sha256`")),
    ((*FILE, "sha256"), None, ("mynet.mine: files[0]", "`sha256`")),
    ((*FILE, "sha256"), 0, ("mynet.mine: files[0]", "`sha256`")),
    ((*FILE, "bytes"), 0, ("mynet.mine: files[0]", "`bytes`")),
    ((*FILE, "bytes"), 4 * 2**30 + 1, ("mynet.mine: files[0]", "`bytes`")),
    ((*FILE, "bytes"), 1e3, ("mynet.mine: files[0]", "`bytes`")),
    ((*FILE, "bytes"), True, ("mynet.mine: files[0]", "`bytes`")),
    ((*FILE, "format"), "pickle", ("mynet.mine: files[0]", "`format`", "safetensors")),
    ((*FILE, "format"), GONE, ("mynet.mine: files[0]", "`format`")),
    ((*FILE, "layout"), GONE, ("mynet.mine: files[0]", "`layout`")),
    ((*FILE, "layout"), "a/b", ("mynet.mine: files[0]", "`a/b`", "layout")),
]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    BROKEN,
    ids=[
        f"{'.'.join(map(str, place))}={'GONE' if value is GONE else value!r:.30}"
        for place, value, _ in BROKEN
    ],
)
def test_a_broken_rule_is_named_with_its_place(
    load: Callable[[object], Manifest], place: tuple[Step, ...], value: object, words: tuple[str, ...]
) -> None:
    message = refusal(load, changed((place, value)))
    for word in words:
        assert word in message


@pytest.mark.parametrize(("digits", "good"), [(7, False), (8, True), (63, True), (64, False)])
def test_a_prefix_has_8_to_63_digits(load: Callable[[object], Manifest], digits: int, good: bool) -> None:
    content = changed(((*FILE, "sha256"), GONE), ((*FILE, "sha256_prefix"), "a" * digits))
    if good:
        digest = load(content).checkpoint("mynet").files[0].digest
        assert not digest.full
        assert digest.identifies("a" * 64)
        assert not digest.identifies("a" * (digits - 1) + "b" * (65 - digits))
    else:
        assert "`sha256_prefix` must be 8 to 63" in refusal(load, content)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.pth",
        "http://127.0.0.1.example.org/a.pth",
        "http://127.0.0.1@example.org/a.pth",
        "http://10.0.0.1/a.pth",
        "ftp://example.org/a.pth",
        "https:///a.pth",
        "https:a.pth",
        "//example.org/a.pth",
        "a.pth",
        "https://user@example.org/a.pth",
        "https://user:password@example.org/a.pth",
        "https://:password@example.org/a.pth",
        "https://example.org/a b.pth",
        "https://example.org/a\nb.pth",
        "https://example.org/\x1b[2J",
        "https://[::1/a.pth",
        "https://example.org:port/a.pth",
        "https://example.org:99999/a.pth",
        "javascript:alert(1)",
        "data:text/plain,x",
    ],
)
def test_addresses_that_are_refused(load: Callable[[object], Manifest], url: str) -> None:
    message = refusal(load, changed(((*FILE, "urls"), ["https://example.org/a.pth", url])))
    assert "mynet.mine: files[0]" in message
    assert "address" in message


def test_a_password_in_an_address_is_not_repeated(load: Callable[[object], Manifest]) -> None:
    """Messages end up in logs."""
    message = refusal(load, changed(((*FILE, "urls"), ["https://user:hunter2@example.org/a.pth"])))
    assert "hunter2" not in message


@pytest.mark.parametrize("schema", [2, 0, "1", None, True, 1.0, [], GONE])
def test_another_schema_asks_for_another_senet(load: Callable[[object], Manifest], schema: object) -> None:
    message = refusal(load, changed((("schema",), schema)))
    assert "`schema`" in message
    if schema is not GONE:
        assert "update senet" in message


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "C:x",
        "A",
        "é",
        "a b",
        "a\n",
        "a\0",
        "a.b.c",
        ".a",
        "a.",
        "con",
        "nul.pth",
        "aux",
        "prn",
        "com1",
        "lpt9",
        "com0.x",
        "a" * 65,
        "\uff41",  # a full-width letter
        "\u017f",  # its capital is an ASCII letter
        "a\u202eb",
    ],
)
def test_names_that_are_refused(load: Callable[[object], Manifest], name: str) -> None:
    content = changed((("checkpoints", name), CHECKPOINT), (CKPT, GONE), (("defaults",), GONE))
    assert "is not a name" in refusal(load, content)


@pytest.mark.parametrize(
    "name", ["a", "seresnet50.a2", "x-1_y", "a" * 64 + "." + "b" * 64, "console", "com10"]
)
def test_names_that_are_allowed(load: Callable[[object], Manifest], name: str) -> None:
    content = changed((("checkpoints", name), CHECKPOINT), (CKPT, GONE), (("defaults",), GONE))
    assert load(content).checkpoint(name).name == name


def test_a_very_long_name_makes_no_long_message(load: Callable[[object], Manifest]) -> None:
    refusal(load, changed((("checkpoints", "x" * 10_000), CHECKPOINT)))


_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
_HOSTILE = st.sampled_from(
    ["..", "/", "\\", ":", "con", "nul", "com1", ".", "\0", "\n", " ", "%2e", "~", "-"]
)
_LIKELY = st.text("abcxyz0189_-.ACO", max_size=10)


@given(st.one_of(st.text(), _LIKELY, st.lists(_HOSTILE | _LIKELY, max_size=5).map("".join)))
def test_a_name_that_parses_is_safe_as_a_file_name(text: str) -> None:
    try:
        name = parse_name(text, Fields({}, "here"))
    except ManifestError:
        return
    cache = Path("/cache")
    path = cache / f"{name}.json"
    assert path.parent == cache
    assert path.resolve().parent == cache.resolve()
    assert PureWindowsPath(f"{name}.json").name == f"{name}.json"
    assert name.isascii()
    assert name.isprintable()
    assert ".." not in name
    assert not set(name) & set('/\\:*?"<>| ~%\0')
    assert name == name.lower()
    assert name.split(".")[0].upper() not in _DEVICES
    assert len(name) < 200


@given(_LIKELY)
def test_every_name_of_a_checkpoint_goes_through_the_rule(text: str) -> None:
    try:
        allowed = parse_name(text, Fields({}, "here")) == text
    except ManifestError:
        allowed = False
    content = changed((("checkpoints", text), CHECKPOINT), (CKPT, GONE), (("defaults",), GONE))
    if allowed:
        assert parse_manifest(Fields(content, "here")).checkpoint(text).name == text
    else:
        with pytest.raises(ManifestError, match="is not a name"):
            parse_manifest(Fields(content, "here"))


# --- one name for two things --------------------------------------------------------------------


def test_one_alias_for_two_checkpoints_is_refused(load: Callable[[object], Manifest]) -> None:
    message = refusal(load, changed((("checkpoints", "mynet.second"), CHECKPOINT)))
    assert "`somebody/mynet`" in message
    assert "`mynet.mine`" in message
    assert "`mynet.second`" in message


def test_an_alias_that_is_another_checkpoints_name_is_refused(load: Callable[[object], Manifest]) -> None:
    second = CHECKPOINT | {"aliases": ["mynet.mine"]}
    message = refusal(load, changed((("checkpoints", "mynet.second"), second)))
    assert "`mynet.mine`" in message
    assert "`mynet.second`" in message


def test_an_alias_that_is_another_family_is_refused(load: Callable[[object], Manifest]) -> None:
    second = CHECKPOINT | {"aliases": ["mynet"]}
    message = refusal(load, changed((("checkpoints", "mynet.second"), second)))
    assert "`mynet`" in message
    assert "`mynet.second`" in message


def test_a_family_that_is_another_checkpoint_is_refused(load: Callable[[object], Manifest]) -> None:
    second = CHECKPOINT | {"aliases": []}
    message = refusal(
        load,
        changed((("checkpoints", "mynet.second"), second), (("defaults", "mynet.second"), "mynet.mine")),
    )
    assert "`mynet.second`" in message
    assert "`mynet.mine`" in message


# --- files that are no manifest -----------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "schema: 1",
        "[1, 2",
        '{"schema": 1}}',
        "{'schema': 1}",
        '{"schema": 1,}',
        "\ufeff" + json.dumps(MANIFEST),
        b"\x80\x02}q\x00.",
        "<!DOCTYPE html><html></html>",
    ],
)
def test_what_is_not_json_is_refused(load: Callable[[object], Manifest], content: object) -> None:
    message = refusal(load, content)
    assert "not valid JSON" in message or "not UTF-8" in message


@pytest.mark.parametrize("content", ["[]", "1", "null", '"manifest"', "true"])
def test_json_that_is_no_object_is_refused(load: Callable[[object], Manifest], content: str) -> None:
    message = refusal(load, content)
    assert "expected an object" in message
    assert content in message


def test_text_that_is_not_utf8_is_refused(load: Callable[[object], Manifest]) -> None:
    content = json.dumps(changed(((*CKPT, "publisher"), "Müller")), ensure_ascii=False)
    assert load(content).checkpoint("mynet").publisher == "Müller"
    assert "UTF-8" in refusal(load, content.encode("latin-1"))


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"schema": 1', '"schema": 1, "schema": 1'),
        ('"mynet.mine": {', '"mynet.mine": {}, "mynet.mine": {'),
        ('"bytes": 1000', '"bytes": 1000, "bytes": 2000'),
        ('"crop": 32', '"crop": 32, "cr\\u006fp": 32'),
    ],
)
def test_a_key_given_twice_is_refused(load: Callable[[object], Manifest], once: str, twice: str) -> None:
    text = json.dumps(MANIFEST)
    assert once in text
    message = refusal(load, text.replace(once, twice, 1))
    assert "twice" in message
    assert once.partition('"')[2].partition('"')[0] in message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400, "1" * 5000, "-0.001"])
@pytest.mark.parametrize(
    "place",
    [
        ("schema",),
        (*ARCH, "classes"),
        (*ARCH, "dropout"),
        (*ARCH, "depths", 0),
        (*ARCH, "stem", "kernel"),
        (*CKPT, "preprocess", "mean", 0),
        (*CKPT, "metrics", 0, "top1"),
        (*FILE, "bytes"),
    ],
    ids=lambda place: ".".join(map(str, place)),
)
def test_numbers_that_are_none_are_refused(
    load: Callable[[object], Manifest], place: tuple[Step, ...], number: str
) -> None:
    text = json.dumps(changed((place, "HERE"))).replace('"HERE"', number)
    refusal(load, text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused_whatever_its_depth(load: Callable[[object], Manifest], opening: str) -> None:
    """Some depths can be parsed but no longer be shown in a message."""
    closing = "]" if opening == "[" else "}"
    texts = {place: json.dumps(changed((place, "HERE"))) for place in (("checkpoints",), (*FILE, "urls"))}
    for depth in (*range(700, 1100), 10_000, 100_000):
        nest = opening * depth + "1" + closing * depth
        for text in texts.values():
            with pytest.raises(ManifestError, match=r"own manifest\.json"):
                load(text.replace('"HERE"', nest))


def test_a_wrong_value_of_any_length_makes_a_short_message(load: Callable[[object], Manifest]) -> None:
    for place in (
        ("schema",),
        (*CKPT, "publisher"),
        (*CKPT, "architecture"),
        (*FILE, "sha256"),
        (*FILE, "urls"),
    ):
        refusal(load, changed((place, [["x" * 100_000]])))
    for place in ((*CKPT, "architecture"), (*FILE, "sha256"), ("defaults", "mynet")):
        refusal(load, changed((place, "x" * 100_000)))
    refusal(load, changed(((*CKPT, "x" * 100_000), 1)))


def test_a_manifest_that_cannot_be_read_is_a_disk_error(tmp_path: Path) -> None:
    for path in (tmp_path / "not there.json", tmp_path):
        with pytest.raises(DiskError, match=path.name):
            load_manifest(path)


# --- numbers that fit the schema but no network -------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        {"type": "senet-bottleneck", "cardinality": 7, "base_width": 5},
        {"type": "bottleneck", "cardinality": 1, "base_width": 1, "stride_in": "conv1"},
    ],
    ids=["groups that do not divide the channels", "a convolution without channels"],
)
def test_a_network_that_cannot_be_built_is_refused(
    load: Callable[[object], Manifest], block: dict[str, Any]
) -> None:
    """Each number is plausible, together they are not; a bug report at `predict` would be too late."""
    message = refusal(load, changed(((*ARCH, "block"), block)))
    assert "mynet-arch" in message


# --- a manifest of one's own over the bundled one -----------------------------------------------


def test_entries_are_added(load: Callable[[object], Manifest]) -> None:
    bundled, manifest = load_manifest(), load(MANIFEST)
    assert set(manifest.checkpoints) == {*bundled.checkpoints, "mynet.mine"}
    assert set(manifest.architectures) == {*bundled.architectures, "mynet-arch"}
    assert manifest.defaults == bundled.defaults | {"mynet": "mynet.mine"}
    for name, checkpoint in bundled.checkpoints.items():
        assert manifest.checkpoint(name) == checkpoint


def test_an_entry_is_replaced_under_all_its_names(load: Callable[[object], Manifest]) -> None:
    own = CHECKPOINT | {"architecture": "seresnet50-caffe", "aliases": ["se_resnet50"]}
    manifest = load({"schema": 1, "checkpoints": {"seresnet50.cadene": own}})
    assert manifest.checkpoint("seresnet50.cadene").publisher == "someone"
    assert manifest.checkpoint("se_resnet50").publisher == "someone"
    assert len(manifest.checkpoints) == len(load_manifest().checkpoints)
    with pytest.raises(UnknownModelError):
        manifest.checkpoint("cadene/se_resnet50")


def test_a_replaced_default_is_still_the_default(load: Callable[[object], Manifest]) -> None:
    own = CHECKPOINT | {"architecture": "seresnet101-caffe"}
    manifest = load({"schema": 1, "checkpoints": {"seresnet101.cadene": own}})
    assert manifest.checkpoint("seresnet101").publisher == "someone"
    assert manifest.family_of("seresnet101.cadene") == "seresnet101"


def test_an_alias_of_the_bundled_manifest_is_taken_over(load: Callable[[object], Manifest]) -> None:
    manifest = load(changed(((*CKPT, "aliases"), ["timm/seresnet50.a2_in1k"])))
    assert manifest.checkpoint("timm/seresnet50.a2_in1k").name == "mynet.mine"
    kept = manifest.checkpoint("seresnet50.a2")
    assert kept.aliases == ("seresnet50.a2_in1k",)
    assert manifest.checkpoint("seresnet50.a2_in1k") == kept


def test_an_alias_takes_over_a_family(load: Callable[[object], Manifest]) -> None:
    manifest = load(changed(((*CKPT, "aliases"), ["seresnet50"])))
    assert manifest.checkpoint("seresnet50").name == "mynet.mine"
    assert manifest.family_of("seresnet50.a2") is None


def test_an_alias_takes_over_the_name_of_a_bundled_checkpoint(load: Callable[[object], Manifest]) -> None:
    """Every name that one's own manifest uses is then its own."""
    manifest = load(changed(((*CKPT, "aliases"), ["seresnet50.ra2"])))
    assert manifest.checkpoint("seresnet50.ra2").name == "mynet.mine"


def test_a_checkpoint_may_be_called_like_a_family_or_an_alias(load: Callable[[object], Manifest]) -> None:
    own = CHECKPOINT | {"aliases": []}
    manifest = load(
        changed(
            (("checkpoints", "seresnet50"), own),
            (("checkpoints", "se_resnet50"), own),
        )
    )
    assert manifest.checkpoint("seresnet50").name == "seresnet50"
    assert manifest.checkpoint("se_resnet50").name == "se_resnet50"
    assert manifest.checkpoint("seresnet50.cadene").aliases == ("cadene/se_resnet50",)


def test_a_default_is_taken_over_and_may_point_into_the_bundled_manifest(
    load: Callable[[object], Manifest],
) -> None:
    manifest = load({"schema": 1, "defaults": {"seresnet50": "seresnet50.ra2", "mine": "senet154.gluon"}})
    assert manifest.checkpoint("seresnet50").name == "seresnet50.ra2"
    assert manifest.checkpoint("mine").name == "senet154.gluon"
    assert manifest.family_of("seresnet50.a2") is None


def test_an_architecture_is_replaced_for_new_entries_only(load: Callable[[object], Manifest]) -> None:
    """What a bundled checkpoint is does not change because a key now means something else."""
    manifest = load(
        changed(
            (("architectures", "seresnet50"), ARCHITECTURE),
            ((*CKPT, "architecture"), "seresnet50"),
        )
    )
    bundled = load_manifest()
    assert manifest.architecture("seresnet50").spec.depths == (1, 2)
    assert manifest.checkpoint("mynet").architecture.spec.depths == (1, 2)
    assert manifest.checkpoint("seresnet50.a2") == bundled.checkpoint("seresnet50.a2")


def test_a_manifest_may_name_its_json_schema(load: Callable[[object], Manifest]) -> None:
    assert load({"$schema": "anything", "schema": 1}) == load_manifest()
