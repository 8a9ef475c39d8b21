"""The pipeline with a network that reads a number off each image: no image may get another's answer."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senet_cli.errors import ImageError
from senet_cli.images.sources import Source
from senet_cli.inference.predictor import softmax
from senet_cli.inference.records import ImageFailure, ImageResult
from tests.inference.numberengine import (
    CLASSES,
    NAN,
    FakeSource,
    NumberEngine,
    engine_of,
    image_of,
    number_predictor,
    numbered,
    run,
    told,
)


@pytest.mark.parametrize("streams", [1, 2, 5])
def test_batches_side_by_side_are_answered_in_order(streams: int) -> None:
    """The first batches take longest, so that later ones are done before them."""
    predictor = number_predictor(NumberEngine(streams, lambda done: 0.02 if done % 3 == 0 else 0.0))
    answers = [(record.path, told(record)) for record in run(numbered(100), predictor, batch_size=3, top_k=1)]
    assert answers == [(str(number), str(number)) for number in range(100)]


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
    predictor = number_predictor()
    records = run(iter(sources), predictor, batch_size=batch_size, jobs=jobs)
    answers = [str(number) if fate == "good" else fate for number, fate in enumerate(fates)]
    assert [record.path for record in records] == [str(number) for number in range(len(fates))]
    assert [told(record) for record in records] == answers
    readable = sum(fate in ("good", "logits") for fate in fates)
    assert sum(engine_of(predictor).batches) == readable
    assert all(1 <= size <= batch_size for size in engine_of(predictor).batches)


def test_images_come_in_full_batches() -> None:
    predictor = number_predictor()
    assert len(run(list(numbered(100)), predictor, batch_size=8)) == 100
    sizes = engine_of(predictor).batches
    assert sum(sizes) == 100
    assert max(sizes) == 8
    assert len(sizes) <= 20  # 13, but for a machine that stalls


def test_failures_do_not_thin_out_the_batches() -> None:
    bad = [FakeSource("x", b"", error=ImageError("missing", "gone"))] * 2
    sources = [source for good in numbered(40) for source in (good, *bad)]
    predictor = number_predictor()
    assert len(run(sources, predictor, batch_size=8)) == 120
    assert len(engine_of(predictor).batches) <= 10  # 5, but for a machine that stalls


def test_nothing_gives_nothing() -> None:
    predictor = number_predictor()
    assert run([], predictor) == []
    assert engine_of(predictor).batches == []


def test_only_failures_never_reach_the_network() -> None:
    predictor = number_predictor()
    records = run([Source(str(number), b"") for number in range(100)], predictor, batch_size=4)
    assert [record.path for record in records] == [str(number) for number in range(100)]
    assert {told(record) for record in records} == {"empty"}
    assert engine_of(predictor).batches == []


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
