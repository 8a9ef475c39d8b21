"""Every field arrives, and every rule broken once: the message names file, entry and field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from senet_cli.catalogue.lookup import Manifest
from senet_cli.specs import BasicBlock, ConvStem, DeepStem, SENetBottleneck
from tests.catalogue.manifests import ARCH, ARCHITECTURE, CKPT, FILE, GONE, MANIFEST, Step, changed, refusal

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
