"""How far the pipeline reads ahead, how soon it answers, and what is left of it at any end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from senet_cli.errors import DeviceError
from senet_cli.images.sources import Source
from senet_cli.inference.pipeline import RunOptions, classify
from senet_cli.inference.records import Record
from tests.inference.numberengine import (
    CLASSES,
    FakeSource,
    engine_of,
    image_of,
    number_predictor,
    numbered,
    run,
    told,
)


def our_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name == "sources" or name.startswith("decode")]


def assert_soon(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


# --- memory and pace ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "jobs", "failing"), [(8, 2, False), (1, 1, False), (4, 8, True), (1, 1, True)]
)
def test_look_ahead_is_bounded(batch_size: int, jobs: int, failing: bool) -> None:
    count, furthest = 2_000, 0
    read = done = 0

    def stream() -> Iterator[Any]:
        nonlocal read
        for source in numbered(count):
            read += 1
            yield Source(source.name, b"") if failing and read % 50 else source

    for record in classify(stream(), number_predictor(), RunOptions(batch_size=batch_size, jobs=jobs)):
        assert record.path == str(done)
        done += 1
        furthest = max(furthest, read - done)
        if done in (1, 500, 1500):
            time.sleep(0.1)  # a writer that blocks, while decoding could run on
    assert done == read == count
    in_hand = 2 * (4 if failing else 1) * batch_size  # one batch in the engine, one being answered
    assert furthest <= 2 * batch_size + jobs + in_hand + 2
    assert furthest >= batch_size  # it does look ahead


def test_decoding_runs_in_as_many_threads_as_asked() -> None:
    together = threading.Barrier(3, timeout=10)
    sources: Any = [FakeSource(str(number), image_of(number), before=together.wait) for number in range(9)]
    records = run(sources, batch_size=4, jobs=3)
    assert [told(record) for record in records] == [str(number) for number in range(9)]


@pytest.mark.timeout(60)
def test_a_slow_list_gets_its_answers_at_once() -> None:
    """Each part of the list is written only when the part before is answered."""
    answered = threading.Semaphore(0)
    late: list[int] = []

    def stream() -> Iterator[Any]:
        sources = list(numbered(9))
        for start, stop in ((0, 1), (1, 2), (2, 5), (5, 9)):
            yield from sources[start:stop]
            for _ in range(stop - start):
                if not answered.acquire(timeout=5):
                    late.append(start)

    records = []
    for record in classify(stream(), number_predictor(), RunOptions(batch_size=64, jobs=2)):
        records.append(record)
        answered.release()
    assert late == []
    assert [told(record) for record in records] == [str(number) for number in range(9)]


# --- ends ---------------------------------------------------------------------------------------


class ListError(Exception):
    """Something that a stream of sources raises."""


def test_an_error_of_the_stream_surfaces_after_the_records_before_it() -> None:
    def stream() -> Iterator[Any]:
        yield from numbered(11)
        raise ListError

    records: list[Record] = []
    with pytest.raises(ListError):
        records.extend(classify(stream(), number_predictor(), RunOptions(batch_size=4)))
    assert [told(record) for record in records] == [str(number) for number in range(11)]
    assert_soon(lambda: not our_threads())


def test_an_error_at_once_surfaces_too() -> None:
    def stream() -> Iterator[Any]:
        raise ListError
        yield

    with pytest.raises(ListError):
        run(stream())


def test_an_error_that_is_no_damaged_image_is_not_swallowed() -> None:
    sources: list[Any] = [*numbered(3), FakeSource("x", b"", error=ZeroDivisionError("a bug")), *numbered(3)]
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(sources, batch_size=2)
    assert_soon(lambda: not our_threads())


def test_a_device_that_fails_ends_the_run() -> None:
    predictor = number_predictor()

    def fail(_pixels: object) -> NDArray[np.float32]:
        raise DeviceError("`cuda:0` is out of memory")

    engine_of(predictor).logits = fail  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="out of memory"):
        run(numbered(1000), predictor)
    assert_soon(lambda: not our_threads())


@pytest.mark.parametrize("taken", [1, 3, 4, 20])
def test_closing_early_stops_reading_and_all_threads(taken: int) -> None:
    read = 0

    def endless() -> Iterator[Any]:
        nonlocal read
        while True:
            read += 1
            yield Source(str(read), image_of(read % CLASSES))

    records = classify(endless(), number_predictor(), RunOptions(batch_size=4, jobs=2))
    assert [next(records).path for _ in range(taken)] == [str(number) for number in range(1, taken + 1)]
    assert our_threads()
    records.close()
    assert_soon(lambda: not our_threads())
    seen = read
    time.sleep(0.1)
    assert read == seen


def test_the_end_leaves_no_thread() -> None:
    assert len(run(numbered(50), jobs=4)) == 50
    assert_soon(lambda: not our_threads())


@pytest.mark.timeout(30)
def test_closing_does_not_wait_for_a_list_that_says_nothing() -> None:
    silence = threading.Event()

    def stream() -> Iterator[Any]:
        yield from numbered(1)
        silence.wait(20)

    records = classify(stream(), number_predictor(), RunOptions(batch_size=4))
    assert next(records).path == "0"
    begun = time.monotonic()
    records.close()
    assert time.monotonic() - begun < 2
    silence.set()
    assert_soon(lambda: not our_threads())
