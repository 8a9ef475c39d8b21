"""From JSON to entries. Every rule about names, addresses and numbers stands here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from senet_cli.architectures import (
    AntiAliasedBottleneck,
    ArchSpec,
    AverageStemPool,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    DeepStem,
    InstanceBatchBottleneck,
    Pool,
    PooledShortcut,
    PoollessStem,
    PreActivation,
    SENetBottleneck,
    Shortcut,
    SqueezeExcite,
    Stem,
    StemPool,
)
from senet_cli.inception import Spec
from senet_cli.labels import LabelSet
from senet_cli.manifest.entries import (
    SUFFIXES,
    Architecture,
    Checkpoint,
    CheckpointFile,
    Digest,
    EntryName,
    Licence,
    MemberDigest,
    Metric,
    Preprocess,
)
from senet_cli.manifest.fields import Fields
from senet_cli.manifest.inception import parse_inception

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9_-]{1,64}(\.[a-z0-9_-]{1,64})?")
_ALIAS = re.compile(r"[a-z0-9_.-]{1,100}(/[a-z0-9_.-]{1,100})?")
_FILE = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,100}")
_HEX = re.compile(r"[0-9a-f]+")
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MAX_FILE = 4 * 2**30


def is_name(text: str) -> bool:
    """True for what may name a checkpoint."""
    return bool(_NAME.fullmatch(text)) and text.partition(".")[0] not in _WINDOWS_DEVICES


def parse_name(text: str, fields: Fields, field: str = "") -> EntryName:
    """A checkpoint's name, safe as part of a file name on every system; `field` is where it stands."""
    if not is_name(text):
        where = f"`{field}`: " if field else ""
        fields.fail(f"{where}`{text[:80]}` is not a name: use a-z, 0-9, `_`, `-` and at most one `.`")
    return EntryName(text)


def parse_architecture(key: str, fields: Fields) -> Architecture:
    """One value of `architectures`."""
    parse_name(key, fields)
    spec = _any_spec(fields)
    if isinstance(spec, ArchSpec) and (problem := _impossible(spec)):
        fields.fail(f"`block`: {problem}")
    architecture = Architecture(
        key=key,
        spec=spec,
        preprocess=parse_preprocess(fields.child("preprocess")),
        labels=parse_name(fields.text("labels"), fields, "labels"),
    )
    _check_size(architecture.preprocess, spec, fields)
    fields.done()
    return architecture


def _any_spec(fields: Fields) -> Spec:
    if fields.choice("type", ("inception",), None) is None:
        return _spec(fields)
    se = fields.optional_child("se")
    pool = _one_of({"max": _pool}, fields.child("pool"), "max")
    return parse_inception(fields, pool, _whole(_squeeze_excite, se) if se else None)


def _check_size(preprocess: Preprocess, spec: Spec, fields: Fields) -> None:
    if problem := spec.size_problem(preprocess.crop):
        fields.fail(f"`preprocess`: {problem}")


def _spec(fields: Fields) -> ArchSpec:
    depths = fields.integers("depths", 1, 1000)
    widths = fields.integers("widths", 1, 65536)
    if len(depths) != len(widths) or not depths:
        fields.fail("`depths` and `widths` must have one number for each stage")
    pool, se = fields.optional_child("pool"), fields.optional_child("se")
    return ArchSpec(
        stem=_one_of(_STEMS, fields.child("stem")),
        pool=_one_of(_POOLS, pool, "max") if pool else None,
        block=_one_of(_BLOCKS, fields.child("block")),
        shortcut=_one_of(_SHORTCUTS, fields.child("shortcut"), "conv"),
        se=_whole(_squeeze_excite, se) if se else None,
        depths=depths,
        widths=widths,
        classes=fields.integer("classes", 1, 1_000_000),
        dropout=fields.number("dropout", 0, 0.99, 0.0),
    )


def _impossible(spec: ArchSpec) -> str | None:
    """What no network can be, though each number by itself may stand."""
    for block in spec.shallow().blocks():
        for conv in (*block.convs, *([block.shortcut] if block.shortcut else [])):
            if conv.in_channels < 1 or conv.out_channels < 1:
                return f"stage {block.stage} would have a convolution without channels"
            if conv.in_channels % conv.groups or conv.out_channels % conv.groups:
                return f"{conv.groups} groups do not divide the channels of stage {block.stage}"
    return None


def _whole(parse: Callable[[Fields], T], fields: Fields) -> T:
    value = parse(fields)
    fields.done()
    return value


def _one_of(kinds: Mapping[str, Callable[[Fields], T]], fields: Fields, usual: str | None = None) -> T:
    """The part of the kind that `type` names; without it the usual one, if there is one."""
    kind = usual if usual and "type" not in fields else fields.choice("type", tuple(kinds))
    return _whole(kinds[kind], fields)


def _conv_stem(fields: Fields) -> ConvStem:
    return ConvStem(
        channels=fields.integer("channels", 1, 65536),
        kernel=fields.choice("kernel", (3, 7)),
        stride=fields.choice("stride", (1, 2)),
    )


def _deep_stem(fields: Fields) -> DeepStem:
    return DeepStem(_three_channels(fields))


def _poolless_stem(fields: Fields) -> PoollessStem:
    return PoollessStem(_three_channels(fields))


def _three_channels(fields: Fields) -> tuple[int, int, int]:
    channels = fields.integers("channels", 1, 65536)
    if len(channels) != 3:
        fields.fail("`channels` must hold three numbers")
    return channels[0], channels[1], channels[2]


def _pool(fields: Fields) -> StemPool:
    return StemPool(padding=fields.choice("padding", (0, 1)), ceil_mode=fields.flag("ceil_mode"))


def _basic(fields: Fields) -> BasicBlock:
    return BasicBlock(relu_before_se=fields.flag("relu_before_se", False))


def _bottleneck(fields: Fields) -> Bottleneck:
    return Bottleneck(
        cardinality=fields.integer("cardinality", 1, 1024, 1),
        base_width=fields.integer("base_width", 1, 1024, 64),
        stride_in=fields.choice("stride_in", ("conv1", "conv2")),
    )


def _senet_bottleneck(fields: Fields) -> SENetBottleneck:
    return SENetBottleneck(
        cardinality=fields.integer("cardinality", 1, 1024),
        base_width=fields.integer("base_width", 1, 1024),
    )


def _anti_aliased(fields: Fields) -> AntiAliasedBottleneck:
    return AntiAliasedBottleneck(
        cardinality=fields.integer("cardinality", 1, 1024, 1),
        base_width=fields.integer("base_width", 1, 1024, 64),
    )


def _instance_batch(fields: Fields) -> InstanceBatchBottleneck:
    return InstanceBatchBottleneck(stages=fields.integer("stages", 1, 1000))


def _pre_activation(fields: Fields) -> PreActivation:
    return PreActivation(
        block=_one_of(_PLAIN_BLOCKS, fields.child("block")), final_norm=fields.flag("final_norm")
    )


def _shortcut(fields: Fields) -> Shortcut:
    return Shortcut(kernel=fields.choice("kernel", (1, 3)))


def _squeeze_excite(fields: Fields) -> SqueezeExcite:
    return SqueezeExcite(
        reduction=fields.integer("reduction", 1, 4096),
        first_reduction=fields.integer("first_reduction", 1, 4096, None),
        bias=fields.flag("bias"),
        hidden_multiple=fields.integer("hidden_multiple", 1, 4096, 1),
    )


_STEMS: dict[str, Callable[[Fields], Stem]] = {
    "conv": _conv_stem,
    "deep": _deep_stem,
    "poolless": _poolless_stem,
}
_POOLS: dict[str, Callable[[Fields], Pool]] = {"max": _pool, "average": lambda _: AverageStemPool()}
_PLAIN_BLOCKS: dict[str, Callable[[Fields], BasicBlock | Bottleneck]] = {
    "basic": _basic,
    "bottleneck": _bottleneck,
}
_BLOCKS: dict[str, Callable[[Fields], Block]] = {
    **_PLAIN_BLOCKS,
    "senet-bottleneck": _senet_bottleneck,
    "anti-aliased-bottleneck": _anti_aliased,
    "instance-batch-bottleneck": _instance_batch,
    "pre-activation": _pre_activation,
}
_SHORTCUTS: dict[str, Callable[[Fields], Shortcut | PooledShortcut]] = {
    "conv": _shortcut,
    "pooled": lambda _: PooledShortcut(),
}


def parse_preprocess(fields: Fields) -> Preprocess:
    """One `preprocess` object."""
    preprocess = Preprocess(
        resize=fields.integer("resize", 1, 4096),
        crop=fields.integer("crop", 1, 4096),
        interpolation=fields.choice("interpolation", ("bilinear", "bicubic")),
        mean=fields.triple("mean", 0, 1),
        std=fields.triple("std", 1e-6, 10),
    )
    fields.done()
    return preprocess


def parse_label_set(name: str, fields: Fields) -> LabelSet:
    """One value of `label_sets`."""
    parse_name(name, fields)
    labels = fields.texts("labels")
    ids = tuple(fields.items("ids", [])) or (None,) * len(labels)
    if not labels or len(ids) != len(labels):
        fields.fail("`labels` must hold names, and `ids`, where it is given, as many")
    if not all(known is None or (isinstance(known, str) and known) for known in ids):
        fields.fail("`ids` must hold texts, or null where a class has none")
    fields.done()
    return LabelSet(name, labels, ids)


def parse_checkpoint(
    name: str, fields: Fields, architectures: Mapping[str, Architecture], folder: Path
) -> Checkpoint:
    """One value of `checkpoints`, its architecture looked up; `folder` holds the manifest's own files."""
    key = fields.text("architecture")
    if key not in architectures:
        fields.fail(f"`architecture` is `{key[:80]}`, which `architectures` does not have")
    architecture = architectures[key]
    if classes := fields.integer("classes", 1, 1_000_000, None):
        architecture = replace(architecture, spec=architecture.spec.with_classes(classes))
    preprocess = parse_preprocess(fields.child("preprocess"))
    checkpoint = Checkpoint(
        name=parse_name(name, fields),
        publisher=fields.text("publisher"),
        architecture=architecture,
        labels=parse_name(fields.text("labels", architecture.labels), fields, "labels"),
        preprocess=preprocess,
        files=fields.each("files", lambda file: _file(file, folder)),
        metrics=fields.each("metrics", _metric, []),
        licence=_licence(fields.child("licence")),
        aliases=tuple(_alias(text, fields) for text in fields.texts("aliases", [])),
        sources=fields.texts("sources", []),
        test_preprocess=_test_preprocess(fields.optional_child("test"), preprocess),
    )
    if not checkpoint.files:
        fields.fail("`files` is empty")
    _check_size(checkpoint.preprocess, architecture.spec, fields)
    fields.done()
    return checkpoint


def _test_preprocess(fields: Fields | None, usual: Preprocess) -> Preprocess | None:
    """The sizes of `test`; everything else is as in `preprocess`."""
    if fields is None:
        return None
    resize, crop = fields.integer("resize", 1, 4096), fields.integer("crop", 1, 4096)
    fields.done()
    test = replace(usual, resize=resize, crop=crop)
    if test.crop == usual.crop:
        fields.fail("`crop` is that of `preprocess`: accuracies tell the two apart by their size")
    return test


def _alias(text: str, fields: Fields) -> str:
    if not _ALIAS.fullmatch(text):
        fields.fail(f"`{text[:80]}` is not an alias: use a-z, 0-9, `_`, `-`, `.` and at most one `/`")
    return text


def _file(fields: Fields, folder: Path) -> CheckpointFile:
    path = folder / _bare_name(fields, "path") if "path" in fields else None
    urls = fields.texts("urls", ... if path is None else [])
    for url in urls:
        _check_url(url, fields)
    if not urls and path is None:
        fields.fail("`urls` is empty")
    file_format = fields.choice("format", tuple(SUFFIXES))
    return CheckpointFile(
        urls=urls,
        digest=_digest(fields, archive=file_format == "torch-zip"),
        size=fields.integer("bytes", 1, _MAX_FILE, None),
        format=file_format,
        layout=parse_name(fields.text("layout"), fields, "layout"),
        path=path,
        seen=_date(fields),
    )


def _bare_name(fields: Fields, field: str) -> str:
    """The name of a file beside the manifest, or in an archive; it can lead nowhere else."""
    name = fields.text(field)
    if not _FILE.fullmatch(name) or name.partition(".")[0] in _WINDOWS_DEVICES:
        fields.fail(f"`{field}` is `{name[:80]}`; it must be a file's plain name, without folders")
    return name


def _date(fields: Fields) -> str | None:
    if "seen" not in fields:
        return None
    value = fields.text("seen")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        fields.fail(f"`seen` is `{value[:80]}`; it must be a date such as 2026-01-31")


def _check_url(url: str, fields: Fields) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        fields.fail(f"an address in `urls` is none: {error}")
    if "@" in parts.netloc:
        fields.fail("an address in `urls` holds a user name or password")
    secure = parts.scheme == "https" and host
    local = parts.scheme == "file" or (parts.scheme == "http" and host in _LOOPBACK)
    if not (secure or local) or not url.isprintable() or " " in url:
        fields.fail(f"`{url[:80]}`: addresses must be https (http only on loopback, or file:)")


_DIGITS = {"sha256": (64, 64), "sha256_prefix": (8, 63), "member_sha1": (40, 40)}


def _digest(fields: Fields, *, archive: bool) -> Digest | MemberDigest:
    given = [name for name in _DIGITS if name in fields]
    if len(given) != 1:
        fields.fail("give exactly one of `sha256`, `sha256_prefix` and `member_sha1`")
    value = fields.text(given[0])
    least, most = _DIGITS[given[0]]
    if not _HEX.fullmatch(value) or not least <= len(value) <= most:
        length = f"{least}" if least == most else f"{least} to {most}"
        fields.fail(f"`{given[0]}` must be {length} lower-case hexadecimal digits")
    if given == ["member_sha1"]:
        if not archive:
            fields.fail("`member_sha1` is for files of the format `torch-zip`")
        return MemberDigest(_bare_name(fields, "member"), value)
    return Digest(value)


def _metric(fields: Fields) -> Metric:
    return Metric(
        dataset=fields.text("dataset"),
        top1=fields.number("top1", 0, 100),
        top5=fields.number("top5", 0, 100, None),
        size=fields.integer("size", 1, 4096),
        source=fields.text("source"),
    )


def _licence(fields: Fields) -> Licence:
    licence = Licence(fields.text("name"), fields.text("note", ""))
    fields.done()
    return licence
