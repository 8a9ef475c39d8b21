"""From JSON to entries. Every rule about names, addresses and numbers stands here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from senet_cli.catalogue.activation import ACTIVATIONS
from senet_cli.catalogue.entries import (
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
    Sizes,
)
from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.labels import LabelSet
from senet_cli.specs import Spec
from senet_cli.specs.residual import MAX_CLASSES

T = TypeVar("T")
NAME = re.compile(r"[a-z0-9_-]{1,64}(\.[a-z0-9_-]{1,64})?")
ALIAS = re.compile(r"[a-z0-9_.-]{1,100}(/[a-z0-9_.-]{1,100})?")
FILE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,100}")
_HEX = re.compile(r"[0-9a-f]+")
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
MAX_FILE = 4 * 2**30


def is_name(text: str) -> bool:
    """Return True for what may name a checkpoint."""
    return bool(NAME.fullmatch(text)) and text.partition(".")[0] not in _WINDOWS_DEVICES


def parse_name(text: str, fields: Fields, field: str = "") -> EntryName:
    """Take a checkpoint's name, safe as part of a file name on every system, from `field`."""
    if not is_name(text):
        where = f"`{field}`: " if field else ""
        fields.fail(f"{where}`{text[:80]}` is not a name: use a-z, 0-9, `_`, `-` and at most one `.`")
    return EntryName(text)


def parse_architecture(key: str, fields: Fields) -> Architecture:
    """Parse one value of `architectures`."""
    from senet_cli.catalogue.codec import read  # not what `senet --help` waits for

    parse_name(key, fields)
    spec: Spec = read(Spec, fields)
    architecture = Architecture(
        key=key,
        spec=spec,
        preprocess=_whole(Preprocess, fields.child("preprocess")),
        labels=parse_name(fields.text("labels"), fields, "labels"),
    )
    _check_size(architecture.preprocess, spec, fields)
    fields.done()
    return architecture


def _check_size(preprocess: Preprocess, spec: Spec, fields: Fields) -> None:
    if problem := spec.size_problem(preprocess.crop):
        fields.fail(f"`preprocess`: {problem}")


def _whole(kind: type[T], fields: Fields) -> T:
    """Read a value that has the object for itself."""
    from senet_cli.catalogue.codec import read

    value: T = read(kind, fields)
    fields.done()
    return value


def parse_label_set(name: str, fields: Fields) -> LabelSet:
    """Parse one value of `label_sets`."""
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
    """Parse a value of `checkpoints`, its architecture looked up; `folder` holds the manifest's own files."""
    key = fields.text("architecture")
    if key not in architectures:
        fields.fail(f"`architecture` is `{key[:80]}`, which `architectures` does not have")
    architecture = architectures[key]
    if classes := fields.integer("classes", 1, MAX_CLASSES, None):
        architecture = replace(architecture, spec=architecture.spec.with_classes(classes))
    preprocess = _whole(Preprocess, fields.child("preprocess"))
    checkpoint = Checkpoint(
        name=parse_name(name, fields),
        publisher=fields.text("publisher"),
        architecture=architecture,
        labels=parse_name(fields.text("labels", architecture.labels), fields, "labels"),
        preprocess=preprocess,
        files=fields.each("files", lambda file: _file(file, folder)),
        metrics=fields.each("metrics", lambda metric: _whole(Metric, metric), []),
        licence=_whole(Licence, fields.child("licence")),
        aliases=tuple(_alias(text, fields) for text in fields.texts("aliases", [])),
        sources=fields.texts("sources", []),
        test_preprocess=_test_preprocess(fields.optional_child("test"), preprocess),
        activation=fields.choice("activation", ACTIVATIONS, "softmax"),
    )
    if not checkpoint.files:
        fields.fail("`files` is empty")
    _check_size(checkpoint.preprocess, architecture.spec, fields)
    fields.done()
    return checkpoint


def _test_preprocess(fields: Fields | None, usual: Preprocess) -> Preprocess | None:
    """Read the sizes of `test`; everything else is as in `preprocess`."""
    if fields is None:
        return None
    sizes = _whole(Sizes, fields)
    test = replace(usual, resize=sizes.resize, crop=sizes.crop)
    if test.crop == usual.crop:
        fields.fail("`crop` is that of `preprocess`: accuracies tell the two apart by their size")
    return test


def _alias(text: str, fields: Fields) -> str:
    if not ALIAS.fullmatch(text):
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
        size=fields.integer("bytes", 1, MAX_FILE, None),
        format=file_format,
        layout=parse_name(fields.text("layout"), fields, "layout"),
        path=path,
        seen=_date(fields),
    )


def _bare_name(fields: Fields, field: str) -> str:
    """Take the name of a file beside the manifest or in an archive; it can lead nowhere else."""
    name = fields.text(field)
    if not FILE_NAME.fullmatch(name) or name.partition(".")[0] in _WINDOWS_DEVICES:
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


DIGITS = {"sha256": (64, 64), "sha256_prefix": (8, 63), "member_sha1": (40, 40)}
"""How many hexadecimal digits each kind of digest has, least and most."""


def _digest(fields: Fields, *, archive: bool) -> Digest | MemberDigest:
    given = [name for name in DIGITS if name in fields]
    if len(given) != 1:
        fields.fail("give exactly one of `sha256`, `sha256_prefix` and `member_sha1`")
    value = fields.text(given[0])
    least, most = DIGITS[given[0]]
    if not _HEX.fullmatch(value) or not least <= len(value) <= most:
        length = f"{least}" if least == most else f"{least} to {most}"
        fields.fail(f"`{given[0]}` must be {length} lower-case hexadecimal digits")
    if given == ["member_sha1"]:
        if not archive:
            fields.fail("`member_sha1` is for files of the format `torch-zip`")
        return MemberDigest(_bare_name(fields, "member"), value)
    return Digest(value)
