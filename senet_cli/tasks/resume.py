"""Go on with the records of an earlier run: those that still hold are kept, the rest is to do."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

import senet_cli
from senet_cli.catalogue.traits import preprocess_in_words
from senet_cli.errors import ImageError, UsageError, advise
from senet_cli.events import RecordsKept, RecordsOfAnotherVersion, Reporter
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.inference.filling import Filling
from senet_cli.inference.models import RunnableModel
from senet_cli.inference.runtime import Runtime
from senet_cli.output.journal import Entry, Header, Journal

_DECODED = (None, "logits")
"""Kinds of failure of images that the network was shown: none, or one that it answered nonsense to."""
_SHOWN = 3
"""Sources that a message names."""


def begin(journal: Journal, facts: Mapping[str, str], request: SourceRequest) -> None:
    """State what makes the records, or make sure that those that are there were made so.

    Args:
        journal: of the earlier run's records, or a new one.
        facts: what decides the records, by what people call it.
        request: what was asked for.

    Raises:
        UsageError: the earlier run had another model or other options.
        DiskError: the journal cannot be written.
    """
    journal.begin(facts, _as_typed(request), senet_cli.__version__)


def go_on(
    journal: Journal,
    request: SourceRequest,
    sources: Iterator[Source],
    reporter: Reporter,
    batch: int | None = None,
) -> Iterator[Source]:
    """Keep the records, from the first on, as long as images are what they were; give the sources after them.

    Images are only looked at (size, time of change), not opened, but for those whose failure may have passed.
    Memory does not grow with their number.

    Args:
        journal: that has begun.
        request: what was asked for.
        sources: its stream, from the beginning.
        reporter: hears what is kept.
        batch: images in a batch, where the last digits of scores depend on which images share one: records
            are kept by whole batches then. None: they do not.

    Raises:
        UsageError: another command made the records, and some are of images that this one does not name.
        DiskError: the files cannot be read or written.
    """
    header = journal.header
    if header is None:
        return journal.watched(sources)
    changed: str | None = None
    filling = Filling(batch) if batch else None
    waiting: list[tuple[Entry, Source]] = []
    with contextlib.closing(journal.entries()) as entries:
        for entry in entries:
            source = next(sources, None)
            if source is None or not _holds(entry, source):
                changed = entry.name if source is None else source.name
                if _as_typed(request) != header.sources:
                    following = _put_back(source, sources)
                    sources = _same_names(journal, itertools.chain([entry], entries), following, header)
                    source = None
                break
            waiting.append((entry, source))
            if filling is None or filling.add(readable=entry.kind in _DECODED):
                _keep(journal, waiting)
        else:
            source = next(sources, None)
            if source is None:
                _keep(journal, waiting)
    sources = itertools.chain([each for _, each in waiting], _put_back(source, sources))
    of = journal.cut()
    if header.version != senet_cli.__version__ and journal.tally.images:
        reporter.report(RecordsOfAnotherVersion(header.version))
    reporter.report(RecordsKept(journal.tally.images, of, changed))
    return journal.watched(sources)


def _holds(entry: Entry, source: Source) -> bool:
    """Return True if a record is of this image as it is, and a failure that might have passed has not."""
    if (entry.name, entry.stamp) != (source.name, source.stamp()):
        return False
    return entry.passing is None or _failure(source) == (entry.kind, entry.passing)


def _failure(source: Source) -> tuple[str, str] | None:
    """Find what an image fails for, without a network; None if it can be read."""
    from senet_cli.images.decode import decode, silence_decoders  # few runs need Pillow by now

    silence_decoders()
    try:
        with source.open() as file:
            decode(file)
    except ImageError as error:
        return error.kind, error.message
    except MemoryError:
        return "decode", "not enough memory"
    return None


def _keep(journal: Journal, waiting: list[tuple[Entry, Source]]) -> None:
    for entry, _ in waiting:
        journal.keep(entry)
    waiting.clear()


def facts_of(model: RunnableModel, runtime: Runtime, batch: int | None = None) -> dict[str, str]:
    """State what a model and what it runs on have to do with its records; `batch` is as in `go_on`."""
    labels = json.dumps([model.labels.labels, model.labels.ids]).encode()
    together = {} if batch is None else {"size of batches": str(batch)}
    return together | {
        "model": model.name,
        "file of weights (SHA-256)": model.start.sha256,
        "architecture": model.architecture.key,
        "preprocessing": preprocess_in_words(model.preprocess),
        "set of labels (SHA-256)": hashlib.sha256(labels).hexdigest(),
        "activation": model.activation,
        "engine": runtime.engine,
        "device": runtime.device,
        "precision": runtime.precision,
    }


def _as_typed(request: SourceRequest) -> tuple[str, ...]:
    listed: Sequence[str] = () if request.list_file is None else (f"list {request.list_file}",)
    return (*request.arguments, *listed, *(() if request.recursive else ("not recursive",)))


def _put_back(source: Source | None, sources: Iterator[Source]) -> Iterator[Source]:
    return sources if source is None else itertools.chain([source], sources)


def _same_names(
    journal: Journal, entries: Iterator[Entry], sources: Iterator[Source], header: Header
) -> Iterator[Source]:
    """Give the sources again if records that are to be cut off are of images of the same names.

    Another command that names others may be a slip of the fingers, which shall not cost a night's work.

    Raises:
        UsageError: an image is another, or there are none any more.
    """
    seen: list[Source] = []
    for entry in entries:
        source = next(sources, None)
        if source is None or source.name != entry.name:
            here = "there are no more images here" if source is None else f"here comes `{source.name}`"
            raise UsageError(
                f"another command made the records in {journal.shown}, of {_in_brief(header.sources)}, and "
                f"some would be lost: one is of `{entry.name}`, and {here}",
                advise("same-or-start-over"),
            )
        seen.append(source)
    return itertools.chain(seen, sources)


def _in_brief(sources: Sequence[str]) -> str:
    more = f" and {len(sources) - _SHOWN:,} more" if len(sources) > _SHOWN else ""
    return ", ".join(f"`{each}`" for each in sources[:_SHOWN]) + more
