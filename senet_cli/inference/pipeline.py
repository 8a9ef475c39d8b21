"""A stream of sources to a stream of records: decoding runs ahead in threads, records come in input order."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from senet_cli.errors import ImageError
from senet_cli.images.decode import decode
from senet_cli.images.sources import Source
from senet_cli.inference.classifier import Classifier
from senet_cli.inference.records import ImageFailure, ImageResult, Record

_PATIENCE = 0.05
"""Seconds to wait for another source before a batch runs that is not full: slow lists get quick answers."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A source with its pixels, or with the reason why there are none."""

    name: str
    pixels: NDArray[np.uint8] | ImageError


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is done.

    Args:
        top_k: predictions for each image.
        min_score: predictions under this probability are left out.
        batch_size: images in a batch.
        jobs: decoding threads.
    """

    top_k: int = 5
    min_score: float = 0.0
    batch_size: int = 8
    jobs: int = 2


def classify(
    sources: Iterable[Source], classifier: Classifier, options: RunOptions
) -> Generator[Record, None, None]:
    """One record for each source, in order, as soon as its batch is done.

    Memory holds a few batches and what the decoding threads work on, however many sources there are.
    """
    with (
        _decoded_ahead(sources, classifier, options) as batches,
        _closing(ThreadPoolExecutor(classifier.engine.streams, "engine")) as pool,
    ):
        running: deque[tuple[list[Decoded], Future[NDArray[np.float32]]]] = deque()
        for batch in batches:
            if batch:
                running.append((batch, pool.submit(_logits, batch, classifier)))
            # an empty batch says that there is nothing to do but to answer
            while running and (not batch or len(running) > classifier.engine.streams):
                yield from _records(*running.popleft(), classifier, options)


@contextlib.contextmanager
def _closing(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """The pool; at the end nobody waits for what is still running."""
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _logits(batch: Sequence[Decoded], classifier: Classifier) -> NDArray[np.float32]:
    """One row for each image of the batch that could be read."""
    pixels = [item.pixels for item in batch if not isinstance(item.pixels, ImageError)]
    if not pixels:
        return np.zeros((0, len(classifier.labels)), np.float32)
    return classifier.engine.logits(np.stack(pixels))


def _records(
    batch: Sequence[Decoded],
    logits: Future[NDArray[np.float32]],
    classifier: Classifier,
    options: RunOptions,
) -> Iterator[Record]:
    rows = iter(logits.result())
    for item in batch:
        try:
            if isinstance(item.pixels, ImageError):
                raise item.pixels
            predictions = classifier.rank(next(rows), options.top_k, options.min_score)
            yield ImageResult(item.name, classifier.name, tuple(predictions))
        except ImageError as error:
            yield ImageFailure(item.name, classifier.name, error.kind, error.message)


def _decode(source: Source, classifier: Classifier) -> Decoded:
    try:
        with source.open() as file:
            return Decoded(source.name, classifier.pixels(decode(file)))
    except ImageError as error:
        return Decoded(source.name, error)
    except MemoryError:
        return Decoded(source.name, ImageError("decode", "not enough memory"))


# --- decoding ahead -----------------------------------------------------------------------------

_Item = Future[Decoded] | BaseException | None
"""A source being decoded; or why there are no more: an error of the stream of sources, None at its end."""


@contextlib.contextmanager
def _decoded_ahead(
    sources: Iterable[Source], classifier: Classifier, options: RunOptions
) -> Iterator[Iterator[list[Decoded]]]:
    """Batches of decoded sources. One thread reads the sources, `jobs` decode, all bounded by the queue."""
    items: queue.Queue[_Item] = queue.Queue(2 * options.batch_size + options.jobs)
    stopped = threading.Event()
    pool = ThreadPoolExecutor(options.jobs, thread_name_prefix="decode")

    def offer(item: _Item) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=0.1)
                return

    def feed() -> None:
        try:
            for source in sources:
                if stopped.is_set():
                    return
                offer(pool.submit(_decode, source, classifier))
            offer(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            offer(error)

    # a daemon, because it may wait for standard input for ever
    threading.Thread(target=feed, name="sources", daemon=True).start()
    try:
        yield _batches(items, options.batch_size)
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _batches(items: queue.Queue[_Item], size: int) -> Iterator[list[Decoded]]:
    """Batches of up to `size` images that can be read; failures travel along in their place.

    When no source comes for a moment, and at the end, an empty batch says so.
    """
    batch: list[Decoded] = []
    images = 0
    while True:
        try:
            item = items.get(timeout=_PATIENCE)
        except queue.Empty:
            if batch:
                yield batch
                batch, images = [], 0
            yield []
            continue
        if isinstance(item, Future):
            batch.append(item.result())
            images += not isinstance(batch[-1].pixels, ImageError)
            if images < size and len(batch) < 4 * size:
                continue
        if batch:
            yield batch
            batch, images = [], 0
        if isinstance(item, Future):
            continue
        yield []
        if item is None:
            return
        raise item
