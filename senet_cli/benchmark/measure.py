"""One network, one engine, one batch size: how fast, how evenly, in how much memory.

`measure` is meant for a process of its own: what another network left behind, in memory or in threads, would
count too.
"""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from senet_cli.classifier import Classifier, find_model
from senet_cli.engines.base import EngineName, Precision
from senet_cli.images.decode import silence_decoders
from senet_cli.images.sources import SourceRequest
from senet_cli.pipeline import RunOptions, classify
from senet_cli.records import ImageFailure
from senet_cli.runtime import resolve_runtime
from senet_cli.settings import Settings

RUNS = 5
_RUN_SECONDS = 1.0
_MAX_IMAGES = 100
"""Of a folder; each of the runs decodes and classifies them all."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured.

    Args:
        model: name or folder of a run.
        engine: "torch" or "openvino".
        device: a resolved device.
        precision: number format.
        batch: images in a batch; None for what `senet predict` would choose.
        jobs: decoding threads.
    """

    model: str
    engine: EngineName
    device: str
    precision: Precision
    batch: int | None
    jobs: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out.

    Args:
        model: full name.
        batch: images in a batch.
        streams: batches side by side.
        images_per_second: of the engine alone, run by run.
        batches: that all runs together took.
        batch_seconds: how long a batch took at the 50th, 90th and 99th percentile.
        decoding_images_per_second: from image files to predictions, run by run; empty without images.
        peak_memory: bytes of the process, largest so far; None where the system does not tell.
    """

    model: str
    batch: int
    streams: int
    images_per_second: tuple[float, ...]
    batches: int
    batch_seconds: tuple[float, float, float]
    decoding_images_per_second: tuple[float, ...]
    peak_memory: int | None


def measure(
    case: Case, settings: Settings, images: Path | None, run_seconds: float = _RUN_SECONDS
) -> Measured:
    """Warm up, then `RUNS` runs.

    Args:
        case: what to measure.
        settings: where models lie; they must be there.
        images: a folder to classify, or None.
        run_seconds: that a run of the engine alone takes at least.

    Raises:
        SenetError: the network cannot be run like that.
    """
    silence_decoders()
    runtime = resolve_runtime(case.engine, case.device, case.precision)
    model = find_model(case.model, settings, runtime=runtime)
    classifier = Classifier.from_model(model, runtime, settings, lambda _: None)
    batch = case.batch or classifier.batch_size
    rates, seconds = _engine_alone(classifier, batch, run_seconds)
    seconds.sort()
    options = RunOptions(batch_size=batch, jobs=case.jobs)
    return Measured(
        model=classifier.name,
        batch=batch,
        streams=classifier.engine.streams,
        images_per_second=rates,
        batches=len(seconds),
        batch_seconds=(percentile(seconds, 0.5), percentile(seconds, 0.9), percentile(seconds, 0.99)),
        decoding_images_per_second=_with_decoding(classifier, options, images) if images else (),
        peak_memory=peak_memory(),
    )


def _engine_alone(
    classifier: Classifier, batch: int, run_seconds: float
) -> tuple[tuple[float, ...], list[float]]:
    """Images a second, run by run, with all streams busy; and the seconds of each batch."""
    engine, size = classifier.engine, classifier.preprocess.crop
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    rates: list[float] = []
    seconds: list[float] = []
    with ThreadPoolExecutor(engine.streams, "engine") as pool:
        for run in range(RUNS + 1):  # the first one only warms up
            begun = threading.Barrier(engine.streams)
            work = [
                pool.submit(_repeat, lambda: engine.logits(pixels), begun, run_seconds)
                for _ in range(engine.streams)
            ]
            took = [future.result() for future in work]
            if run:
                rates.append(sum(batch * len(times) / sum(times) for times in took))
                seconds += itertools.chain.from_iterable(took)
    return tuple(rates), seconds


def _repeat(function: Callable[[], object], begun: threading.Barrier, run_seconds: float) -> list[float]:
    """Seconds of each call, until they make a run."""
    begun.wait()
    times: list[float] = []
    last = time.perf_counter()
    end = last + run_seconds
    while last < end:
        function()
        now = time.perf_counter()
        times.append(now - last)
        last = now
    return times


def _with_decoding(classifier: Classifier, options: RunOptions, images: Path) -> tuple[float, ...]:
    """Images a second from files to predictions, run by run."""
    sources = list(itertools.islice(SourceRequest((str(images),)).stream(), _MAX_IMAGES))
    rates = []
    for run in range(RUNS + 1):
        start = time.perf_counter()
        records = list(classify(sources, classifier, options))
        if run:
            rates.append(len(records) / (time.perf_counter() - start))
    if records and all(isinstance(record, ImageFailure) for record in records):
        return ()
    return tuple(rates)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the `ordered` values that at least this share of them does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def peak_memory() -> int | None:
    """Largest resident memory of this process so far, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
