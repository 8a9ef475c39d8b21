"""A stream of images through an engine: decoding runs ahead in threads, outputs come in input order."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from senet_cli.errors import ImageError
from senet_cli.images.decode import decode
from senet_cli.images.sources import Source
from senet_cli.inference.filling import Filling
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.records import ImageFailure, ImageResult, Record

Item = TypeVar("Item")
Pixels = NDArray[np.uint8]
Row = NDArray[np.float32]

_PATIENCE = 0.05
"""Seconds to wait for another image before a batch runs that is not full: slow lists get quick answers."""


@dataclass(frozen=True, slots=True)
class Decoded(Generic[Item]):
    """An image with its pixels, or with the reason why there are none."""

    item: Item
    pixels: Pixels | ImageError


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is done.

    Args:
        top_k: predictions for each image.
        min_score: predictions under this probability are left out.
        batch_size: images in a batch.
        jobs: decoding threads.
        full_batches: True if every batch but the last is full; see `Pace`.
    """

    top_k: int = 5
    min_score: float = 0.0
    batch_size: int = 8
    jobs: int = 2
    full_batches: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a stream of images is worked on.

    Args:
        batch_size: images in a batch.
        streams: batches that are calculated side by side.
        jobs: decoding threads.
        patience: seconds to wait for another image before a batch runs that is not full; None: every batch
            but the last is full, so that the outputs do not depend on how fast images come.
    """

    batch_size: int
    streams: int
    jobs: int
    patience: float | None = _PATIENCE


def classify(
    sources: Iterable[Source], predictor: Predictor, options: RunOptions
) -> Generator[Record, None, None]:
    """Give one record for each source, in order, as soon as its batch is done.

    Memory holds a few batches and what the decoding threads work on, however many sources there are.
    """
    pace = Pace(
        batch_size=options.batch_size,
        streams=predictor.engine.streams,
        jobs=options.jobs,
        patience=None if options.full_batches else _PATIENCE,
    )
    probabilities = predictor.activation != "none"
    rows = outputs(sources, lambda source: pixels_of(source, predictor), predictor.engine.logits, pace)
    with contextlib.closing(rows):
        for source, row in rows:
            try:
                if isinstance(row, ImageError):
                    raise row
                predictions = predictor.rank(row, options.top_k, options.min_score)
                yield ImageResult(source.name, predictor.name, tuple(predictions), probabilities)
            except ImageError as error:
                yield ImageFailure(
                    source.name, predictor.name, error.kind, error.message, passing=error.passing
                )


def pixels_of(source: Source, predictor: Predictor) -> Pixels:
    """Read, decode and prepare one image.

    Raises:
        ImageError: it cannot be read.
    """
    with source.open() as file:
        return predictor.pixels(decode(file))


def outputs(
    items: Iterable[Item],
    read: Callable[[Item], Pixels],
    calculate: Callable[[Pixels], NDArray[np.float32]],
    pace: Pace,
) -> Generator[tuple[Item, Row | ImageError], None, None]:
    """Give each item with its row of the engine's output, or with the reason why it has none, in order.

    Args:
        items: images, in any form; read ahead in a thread of its own.
        read: item -> pixels (crop, crop, 3), called in decoding threads; may raise ImageError.
        calculate: pixels (N, crop, crop, 3) -> rows (N, ...), called in `pace.streams` threads.
        pace: sizes and numbers of threads.
    """
    with (
        _decoded_ahead(items, read, pace) as batches,
        _closing(ThreadPoolExecutor(pace.streams, "engine")) as pool,
    ):
        running: deque[tuple[list[Decoded[Item]], Future[Sequence[Row]]]] = deque()
        for batch in batches:
            if batch:
                running.append((batch, pool.submit(_rows, batch, calculate)))
            # an empty batch says that there is nothing to do but to answer
            while running and (not batch or len(running) > pace.streams):
                yield from _paired(*running.popleft())


@contextlib.contextmanager
def _closing(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """Provide the pool; at the end nobody waits for what is still running."""
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _rows(
    batch: Sequence[Decoded[Item]], calculate: Callable[[Pixels], NDArray[np.float32]]
) -> Sequence[Row]:
    """One row for each image of the batch that could be read."""
    pixels = [decoded.pixels for decoded in batch if not isinstance(decoded.pixels, ImageError)]
    return list(calculate(np.stack(pixels))) if pixels else []


def _paired(
    batch: Sequence[Decoded[Item]], rows: Future[Sequence[Row]]
) -> Iterator[tuple[Item, Row | ImageError]]:
    remaining = iter(rows.result())
    for decoded in batch:
        if isinstance(decoded.pixels, ImageError):
            yield decoded.item, decoded.pixels
        else:
            yield decoded.item, next(remaining)


def _decode(item: Item, read: Callable[[Item], Pixels]) -> Decoded[Item]:
    try:
        return Decoded(item, read(item))
    except ImageError as error:
        return Decoded(item, error)
    except MemoryError:
        return Decoded(item, ImageError("decode", "not enough memory", passing=True))


# --- decoding ahead -----------------------------------------------------------------------------


@contextlib.contextmanager
def _decoded_ahead(
    items: Iterable[Item], read: Callable[[Item], Pixels], pace: Pace
) -> Iterator[Iterator[list[Decoded[Item]]]]:
    """Batches of decoded images. One thread reads the items, `jobs` decode, all bounded by the queue."""
    waiting: queue.Queue[Future[Decoded[Item]] | BaseException | None] = queue.Queue(
        2 * pace.batch_size + pace.jobs
    )
    stopped = threading.Event()
    pool = ThreadPoolExecutor(pace.jobs, thread_name_prefix="decode")

    def offer(decoded: Future[Decoded[Item]] | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(decoded, timeout=0.1)
                return

    def feed() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                offer(pool.submit(_decode, item, read))
            offer(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            offer(error)

    # a daemon, because it may wait for standard input for ever
    threading.Thread(target=feed, name="sources", daemon=True).start()
    try:
        yield _batches(waiting, pace.batch_size, pace.patience)
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _batches(
    waiting: queue.Queue[Future[Decoded[Item]] | BaseException | None], size: int, patience: float | None
) -> Iterator[list[Decoded[Item]]]:
    """Batches of up to `size` images that can be read; failures travel along in their place.

    When no image comes for a moment, and at the end, an empty batch says so.
    """
    batch: list[Decoded[Item]] = []
    filling = Filling(size)
    while True:
        try:
            item = waiting.get(timeout=patience)
        except queue.Empty:
            if batch:
                yield batch
                batch, filling = [], Filling(size)
            yield []
            continue
        if isinstance(item, Future):
            batch.append(item.result())
            if not filling.add(readable=not isinstance(batch[-1].pixels, ImageError)):
                continue
        if batch:
            yield batch
            batch = []
        if isinstance(item, Future):
            continue
        yield []
        if item is None:
            return
        raise item
