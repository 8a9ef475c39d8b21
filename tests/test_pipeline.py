"""The pipeline with a network that reads a number off each image: no image may get another's answer."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from senet_cli.classifier import Classifier, softmax
from senet_cli.errors import DeviceError, ImageError
from senet_cli.images.sources import Source
from senet_cli.labels import numbered_labels
from senet_cli.manifest import Preprocess
from senet_cli.pipeline import RunOptions, classify
from senet_cli.records import ImageFailure, ImageResult, Record

CLASSES = 4096
NAN = 250
"""Blue value of images for which the network's answer is not finite."""


class NumberEngine:
    """Its best class is the number that `image_of` wrote into the image."""

    name = "torch"
    device = "cpu"

    def __init__(self, streams: int = 1, wait: Callable[[int], float] = lambda _: 0.0) -> None:
        self.streams = streams
        self.batches: list[int] = []
        self._wait, self._at_once = wait, threading.Semaphore(streams)

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self._at_once.acquire(blocking=False), "more batches at once than the engine has streams"
        time.sleep(self._wait(len(self.batches)))
        try:
            return self._logits(pixels)
        finally:
            self._at_once.release()

    def _logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert pixels.dtype == np.uint8
        self.batches.append(len(pixels))
        red, green, blue = (pixels[:, 0, 0, channel].astype(int) for channel in range(3))
        numbers = red * 64 + green
        logits = np.zeros((len(pixels), CLASSES), np.float32)
        logits[np.arange(len(pixels)), numbers] = 20
        logits[np.arange(len(pixels)), (numbers + 1) % CLASSES] = 19
        logits[blue == NAN, 5] = np.nan
        return logits

    features = logits


def number_classifier() -> Classifier:
    """A real classifier, with its ranking and preprocessing, around the engine that reads numbers."""
    classifier = Classifier.__new__(Classifier)
    classifier.name = "numbers"
    classifier.engine = NumberEngine()
    classifier.preprocess = Preprocess(2, 2, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    classifier.labels = numbered_labels(CLASSES)
    classifier.batch_size = 8
    return classifier


@pytest.mark.parametrize("streams", [1, 2, 5])
def test_batches_side_by_side_are_answered_in_order(streams: int) -> None:
    """The first batches take longest, so that later ones are done before them."""
    classifier = number_classifier()
    classifier.engine = NumberEngine(streams, lambda done: 0.02 if done % 3 == 0 else 0.0)
    answers = [
        (record.path, told(record)) for record in run(numbered(100), classifier, batch_size=3, top_k=1)
    ]
    assert answers == [(str(number), str(number)) for number in range(100)]


def engine_of(classifier: Classifier) -> NumberEngine:
    assert isinstance(classifier.engine, NumberEngine)
    return classifier.engine


def image_of(number: int, *, blue: int = 0, side: int = 2) -> bytes:
    """A PPM of one colour, which holds a number under 4096."""
    pixel = bytes([number // 64, number % 64, blue])
    return b"P6 %d %d 255\n" % (side, side) + pixel * side * side


@dataclass
class FakeSource:
    """A source that takes its time."""

    name: str
    data: bytes
    before: Callable[[], Any] = field(default=lambda: None)
    error: Exception | None = None

    def open(self) -> BinaryIO:
        self.before()
        if self.error:
            raise self.error
        return io.BytesIO(self.data)


def numbered(count: int) -> Iterator[Any]:
    return (Source(str(number), image_of(number % CLASSES)) for number in range(count))


def run(sources: Any, classifier: Classifier | None = None, **options: Any) -> list[Record]:
    return list(classify(sources, classifier or number_classifier(), RunOptions(**options)))


def told(record: Record) -> str:
    """The best class, or the kind of failure."""
    if isinstance(record, ImageFailure):
        return record.kind
    return record.predictions[0].label


def our_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name == "sources" or name.startswith("decode")]


def assert_soon(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


# --- order --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_records_come_in_input_order_whatever_decoding_takes(jobs: int) -> None:
    dice = random.Random(jobs)
    sources: list[Any] = []
    expected: list[tuple[str, str]] = []
    for number in range(300):
        nap = dice.choice([0, 0, 0, 0.002, 0.01])
        source = FakeSource(f"{number}.ppm", image_of(number, side=dice.choice([2, 3, 9, 200])))
        source.before = lambda nap=nap: time.sleep(nap)
        answer = str(number)
        fate = dice.randrange(6)
        if fate == 0:
            source.error, answer = ImageError("missing", "no such file"), "missing"
        elif fate == 1:
            source.data, answer = source.data[:-3], "decode"
        elif fate == 2:
            source.data, answer = image_of(number, blue=NAN), "logits"
        sources.append(source)
        expected.append((source.name, answer))
    assert len({answer for _, answer in expected}) > 100
    records = run(sources, batch_size=8, jobs=jobs)
    assert [(record.path, told(record)) for record in records] == expected


def test_a_slow_first_image_does_not_let_others_overtake() -> None:
    first = FakeSource("0", image_of(0), before=lambda: time.sleep(0.3))
    records = run([first, *list(numbered(40))[1:]], batch_size=4, jobs=4)
    assert [told(record) for record in records] == [str(number) for number in range(40)]


FATES = st.lists(st.sampled_from(["good", "good", "missing", "decode", "logits", "empty"]), max_size=40)


@given(FATES, st.integers(1, 9), st.integers(1, 4))
@settings(deadline=None)
def test_every_source_gives_exactly_one_record(fates: list[str], batch_size: int, jobs: int) -> None:
    data = {"decode": b"P6 2 2 255\n", "empty": b""}
    sources: list[Any] = []
    for number, fate in enumerate(fates):
        image = image_of(number, blue=NAN if fate == "logits" else 0)
        error = ImageError("missing", "gone") if fate == "missing" else None
        sources.append(FakeSource(str(number), data.get(fate, image), error=error))
    classifier = number_classifier()
    records = run(iter(sources), classifier, batch_size=batch_size, jobs=jobs)
    answers = [str(number) if fate == "good" else fate for number, fate in enumerate(fates)]
    assert [record.path for record in records] == [str(number) for number in range(len(fates))]
    assert [told(record) for record in records] == answers
    readable = sum(fate in ("good", "logits") for fate in fates)
    assert sum(engine_of(classifier).batches) == readable
    assert all(1 <= size <= batch_size for size in engine_of(classifier).batches)


def test_images_come_in_full_batches() -> None:
    classifier = number_classifier()
    assert len(run(list(numbered(100)), classifier, batch_size=8)) == 100
    sizes = engine_of(classifier).batches
    assert sum(sizes) == 100
    assert max(sizes) == 8
    assert len(sizes) <= 20  # 13, but for a machine that stalls


def test_failures_do_not_thin_out_the_batches() -> None:
    bad = [FakeSource("x", b"", error=ImageError("missing", "gone"))] * 2
    sources = [source for good in numbered(40) for source in (good, *bad)]
    classifier = number_classifier()
    assert len(run(sources, classifier, batch_size=8)) == 120
    assert len(engine_of(classifier).batches) <= 10  # 5, but for a machine that stalls


def test_nothing_gives_nothing() -> None:
    classifier = number_classifier()
    assert run([], classifier) == []
    assert engine_of(classifier).batches == []


def test_only_failures_never_reach_the_network() -> None:
    classifier = number_classifier()
    records = run([Source(str(number), b"") for number in range(100)], classifier, batch_size=4)
    assert [record.path for record in records] == [str(number) for number in range(100)]
    assert {told(record) for record in records} == {"empty"}
    assert engine_of(classifier).batches == []


# --- what records hold --------------------------------------------------------------------------


def test_a_record_names_source_and_model() -> None:
    (good, bad) = run([*numbered(1), Source("bad.jpg", b"no image")])
    assert isinstance(good, ImageResult)
    assert (good.path, good.model) == ("0", "numbers")
    assert isinstance(bad, ImageFailure)
    assert (bad.path, bad.model, bad.kind) == ("bad.jpg", "numbers", "format")
    assert "not an image" in bad.message


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (5, 5), (CLASSES, CLASSES), (10**6, CLASSES)])
def test_top_k(top_k: int, count: int) -> None:
    (record,) = run([Source("x", image_of(77))], top_k=top_k)
    assert isinstance(record, ImageResult)
    assert len(record.predictions) == count
    indices = [prediction.index for prediction in record.predictions]
    rest = (index for index in range(CLASSES) if index not in (77, 78))  # ties go to the lower index
    assert indices == [77, 78, *rest][:top_k]
    scores = [prediction.score for prediction in record.predictions]
    assert scores == sorted(scores, reverse=True)


def test_scores_are_softmax_probabilities() -> None:
    (record,) = run([Source("x", image_of(77))], top_k=CLASSES)
    assert isinstance(record, ImageResult)
    scores = {prediction.index: prediction.score for prediction in record.predictions}
    assert sum(scores.values()) == pytest.approx(1)
    logits = np.zeros(CLASSES, np.float32)
    logits[77], logits[78] = 20, 19
    assert [scores[index] for index in range(CLASSES)] == pytest.approx(softmax(logits))


@pytest.mark.parametrize(
    ("min_score", "indices"), [(0.0, [77, 78, 0]), (0.2, [77, 78]), (0.5, [77]), (0.9, [])]
)
def test_min_score(min_score: float, indices: list[int]) -> None:
    (record,) = run([Source("x", image_of(77))], top_k=3, min_score=min_score)
    assert isinstance(record, ImageResult)
    assert [prediction.index for prediction in record.predictions] == indices


def test_min_score_keeps_a_score_that_equals_it() -> None:
    (free,) = run([Source("x", image_of(77))], top_k=1)
    assert isinstance(free, ImageResult)
    score = free.predictions[0].score
    (same,) = run([Source("x", image_of(77))], top_k=1, min_score=score)
    (higher,) = run([Source("x", image_of(77))], top_k=1, min_score=np.nextafter(score, 1))
    assert same == free
    assert isinstance(higher, ImageResult)
    assert higher.predictions == ()


def test_an_answer_that_is_not_finite_fails_only_its_image() -> None:
    sources = [Source(str(number), image_of(number, blue=NAN if number == 3 else 0)) for number in range(8)]
    records = run(sources, batch_size=8)
    assert [told(record) for record in records] == ["0", "1", "2", "logits", "4", "5", "6", "7"]


# --- memory and pace ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "jobs", "failing"), [(8, 2, False), (1, 1, False), (4, 8, True), (1, 1, True)]
)
def test_look_ahead_is_bounded(batch_size: int, jobs: int, failing: bool) -> None:
    count, furthest = 10_000, 0
    read = done = 0

    def stream() -> Iterator[Any]:
        nonlocal read
        for source in numbered(count):
            read += 1
            yield Source(source.name, b"") if failing and read % 50 else source

    for record in classify(stream(), number_classifier(), RunOptions(batch_size=batch_size, jobs=jobs)):
        assert record.path == str(done)
        done += 1
        furthest = max(furthest, read - done)
        if done in (1, 500, 5000):
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
    for record in classify(stream(), number_classifier(), RunOptions(batch_size=64, jobs=2)):
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
        records.extend(classify(stream(), number_classifier(), RunOptions(batch_size=4)))
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
    classifier = number_classifier()

    def fail(_pixels: object) -> NDArray[np.float32]:
        raise DeviceError("`cuda:0` is out of memory")

    engine_of(classifier).logits = fail  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="out of memory"):
        run(numbered(1000), classifier)
    assert_soon(lambda: not our_threads())


@pytest.mark.parametrize("taken", [1, 3, 4, 20])
def test_closing_early_stops_reading_and_all_threads(taken: int) -> None:
    read = 0

    def endless() -> Iterator[Any]:
        nonlocal read
        while True:
            read += 1
            yield Source(str(read), image_of(read % CLASSES))

    records = classify(endless(), number_classifier(), RunOptions(batch_size=4, jobs=2))
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

    records = classify(stream(), number_classifier(), RunOptions(batch_size=4))
    assert next(records).path == "0"
    begun = time.monotonic()
    records.close()
    assert time.monotonic() - begun < 2
    silence.set()
    assert_soon(lambda: not our_threads())
