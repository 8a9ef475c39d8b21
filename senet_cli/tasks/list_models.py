"""The models there are: a line for each, which of them somebody wants to see, and in which order."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, MemberDigest
from senet_cli.catalogue.lookup import Manifest
from senet_cli.catalogue.resolve import Catalogue
from senet_cli.errors import UsageError, advise
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache

DigestKind = Literal["full", "prefix", "member"]
"""What is published: a file's whole SHA-256, its first digits, or the SHA-1 of an archive's member."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Make one line of the list.

    Args:
        name, publisher, architecture, labels, licence: as in the manifest.
        default: the family name that stands for this checkpoint, if one does.
        classes: outputs of the head.
        top1, top5: published accuracy, percent, on `dataset` at `size` pixels, by `source`; None for a model
            of yours.
        size: side of the input in pixels, for which `multiply_adds` are counted too.
        test_size, test_top1, test_top5: the same for the publisher's test recipe.
        parameters, multiply_adds: counted from the structure.
        bytes: of the first of the files; None where it is not published.
        digest: what is published to verify that file with.
        cached: True if it is on this machine.
        aliases: other names that people know it by.
        own_top1: accuracy that you measured when you trained it, percent, on `own_images` images of yours.
    """

    name: str
    default: str | None
    publisher: str
    architecture: str
    labels: str
    classes: int
    top1: float | None
    top5: float | None
    size: int
    dataset: str | None
    source: str | None
    test_size: int | None
    test_top1: float | None
    test_top5: float | None
    parameters: int
    multiply_adds: int
    bytes: int | None
    digest: DigestKind
    licence: str
    cached: bool
    aliases: tuple[str, ...] = ()
    own_top1: float | None = None
    own_images: int | None = None

    @property
    def family(self) -> str:
        """The name before the dot."""
        return self.name.partition(".")[0]

    @property
    def likely_bytes(self) -> int:
        """Of the file; four for each parameter where they are not published."""
        return self.bytes or 4 * self.parameters


def checkpoint_summary(checkpoint: Checkpoint, manifest: Manifest, *, cached: bool) -> Summary:
    """Make one line of the list."""
    metric, test = checkpoint.metric, checkpoint.test_preprocess
    published = metric if metric and metric.published else None
    own = metric if metric and not metric.published else None
    tested = checkpoint.metric_with(test) if test else None
    spec, size = checkpoint.architecture.spec, checkpoint.preprocess.crop
    return Summary(
        name=checkpoint.name,
        default=manifest.family_of(checkpoint.name),
        publisher=checkpoint.publisher,
        architecture=checkpoint.architecture.key,
        labels=checkpoint.labels,
        classes=spec.classes,
        top1=published.top1 if published else None,
        top5=published.top5 if published else None,
        size=size,
        dataset=metric.dataset if metric else None,
        source=metric.source if metric else None,
        test_size=test.crop if test else None,
        test_top1=tested.top1 if tested else None,
        test_top5=tested.top5 if tested else None,
        parameters=spec.parameters(),
        multiply_adds=spec.multiply_adds(size),
        bytes=checkpoint.files[0].size,
        digest=digest_kind(checkpoint.files[0]),
        licence=checkpoint.licence.name,
        cached=cached,
        aliases=checkpoint.aliases,
        own_top1=own.top1 if own else None,
        own_images=own.images if own else None,
    )


def digest_kind(file: CheckpointFile) -> DigestKind:
    """Say what the file can be verified with."""
    if isinstance(file.digest, MemberDigest):
        return "member"
    return "full" if file.digest.full else "prefix"


SortKey = Literal["name", "top1", "top5", "parameters", "multiply-adds", "bytes"]
"""Accuracies put the best first, everything else the smallest; what is not known comes last."""

_KEYS: dict[SortKey, Callable[[Summary], float | str | None]] = {
    "name": lambda entry: entry.name,
    "top1": lambda entry: None if entry.top1 is None else -entry.top1,
    "top5": lambda entry: None if entry.top5 is None else -entry.top5,
    "parameters": lambda entry: entry.parameters,
    "multiply-adds": lambda entry: entry.multiply_adds,
    "bytes": lambda entry: entry.likely_bytes,
}


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What is asked for; of several values of one kind any will do, all kinds together must fit.

    Args:
        names: names before the dot or whole ones, the publishers' names, or patterns such as `seresnet50*`.
        families: part of a name before the dot, or what a checkpoint is the default for.
        publishers: words in the publisher's name.
        labels: label sets.
        max_bytes: of the file; where that is not published four bytes a parameter are taken for it.
        cached: True for only those that are on this machine.
        sort: what to sort by; None leaves the manifest's order.
    """

    names: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    max_bytes: float | None = None
    cached: bool = False
    sort: SortKey | None = None

    def apply(self, entries: Sequence[Summary]) -> list[Summary]:
        """Select the entries that fit, in the order asked for.

        Raises:
            UsageError: a name, family, publisher or label set that no entry has.
        """
        for kind, wanted, matches, known in (
            ("name", self.names, _has_name, (name for entry in entries for name in _names_of(entry))),
            ("family", self.families, _has_family, (entry.family for entry in entries)),
            ("publisher", self.publishers, _has_publisher, (_short_publisher(entry) for entry in entries)),
            ("labels", self.labels, _has_labels, (entry.labels for entry in entries)),
        ):
            _check(kind, wanted, entries, matches, known)
        chosen = [entry for entry in entries if self._fits(entry)]
        if self.sort is None:
            return chosen
        key = _KEYS[self.sort]
        return sorted((e for e in chosen if key(e) is not None), key=lambda e: (key(e), e.name)) + [
            entry for entry in chosen if key(entry) is None
        ]

    def _fits(self, entry: Summary) -> bool:
        return (
            _any(self.names, entry, _has_name)
            and _any(self.families, entry, _has_family)
            and _any(self.publishers, entry, _has_publisher)
            and _any(self.labels, entry, _has_labels)
            and (self.max_bytes is None or entry.likely_bytes <= self.max_bytes)
            and (entry.cached or not self.cached)
        )


def list_models(request: ListRequest, catalogue: Catalogue, settings: Settings) -> list[Summary]:
    """Describe the models that somebody wants to see, in the order that is asked for.

    Raises:
        UsageError: a name, family, publisher or label set that no model has.
    """
    cache = Cache.from_settings(settings)
    return request.apply(
        [
            checkpoint_summary(
                model.checkpoint, catalogue.manifest, cached=bool(cache.holds(model.checkpoint))
            )
            for model in catalogue.all()
        ]
    )


_SUGGESTIONS, _FEW = 3, 12
_Matches = Callable[[Summary, str], bool]


def _any(wanted: Sequence[str], entry: Summary, matches: _Matches) -> bool:
    return not wanted or any(matches(entry, value) for value in wanted)


def _names_of(entry: Summary) -> list[str]:
    """List every name that stands for a model, its family's too, in lower case."""
    default = (entry.default,) if entry.default else ()
    return [name.casefold() for name in (entry.name, entry.family, *default, *entry.aliases)]


def _has_name(entry: Summary, value: str) -> bool:
    return any(fnmatch.fnmatchcase(name, value.strip().casefold()) for name in _names_of(entry))


def _has_family(entry: Summary, value: str) -> bool:
    return value.casefold() in (entry.family, entry.default)


def _has_publisher(entry: Summary, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", entry.publisher, re.IGNORECASE) is not None


def _has_labels(entry: Summary, value: str) -> bool:
    return value.casefold() == entry.labels


def _short_publisher(entry: Summary) -> str:
    """`Cadene` for `Cadene (pretrained-models.pytorch), ported from ...`."""
    return re.split(r"[,(]", entry.publisher, maxsplit=1)[0].strip()


def _check(
    kind: str, wanted: Sequence[str], entries: Sequence[Summary], matches: _Matches, known: Iterable[str]
) -> None:
    for value in wanted:
        if not any(matches(entry, value) for entry in entries):
            names = sorted(set(known), key=str.casefold)
            close = difflib.get_close_matches(value.casefold(), names, n=_SUGGESTIONS)
            meant = f"Did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else ""
            there = f"There is: {', '.join(names)}." if 0 < len(names) <= _FEW else ""
            message = f"no model has the {kind} `{value}`"
            raise UsageError(message, meant, there or advise("list-models"))
