"""`senet benchmark`: what it prints is what happened, case by case."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from senet_cli.cli.benchmark import benchmark_table
from senet_cli.errors import DeviceError, UsageError, advise
from senet_cli.settings import BUNDLED_MODEL, Settings
from senet_cli.tasks.benchmark.measure import RUNS, Case, Measured, engine_alone, measure, percentile
from senet_cli.tasks.benchmark.processes import in_new_process, seconds_of
from senet_cli.tasks.benchmark.service import Row
from tests.conftest import Senet


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (48, 40), (40 * number, 90, 200)).save(folder / f"{number}.png")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n")
    return folder


class Sleeper:
    """An engine whose batches take as long as it is told, stream by stream."""

    name, device, streams, largest_batch = "torch", "cpu", 2, 2**31

    def __init__(self, *seconds: float) -> None:
        self._seconds, self._lock = list(seconds), threading.Lock()
        self._mine = threading.local()

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        with self._lock:
            if not hasattr(self._mine, "seconds"):
                self._mine.seconds = self._seconds.pop()
        time.sleep(self._mine.seconds)
        return np.zeros((len(pixels), 10), np.float32)

    features = logits


def test_rates_and_percentiles_are_those_of_the_batches() -> None:
    """One stream takes 20 ms for a batch of 3, the other 50 ms: 150 + 60 images/s, whoever stops first."""
    rates, seconds = engine_alone(Sleeper(0.02, 0.05), 32, batch=3, run_seconds=0.24)  # type: ignore[arg-type]
    assert len(rates) == RUNS
    for rate in rates:
        assert rate == pytest.approx(210, rel=0.1)
    assert percentile(seconds, 0.5) == pytest.approx(0.02, abs=0.005)
    assert percentile(seconds, 0.9) == pytest.approx(0.05, abs=0.005)
    assert percentile(seconds, 0.99) is None


@pytest.mark.slow
def test_a_case(photos: Path) -> None:
    case = Case(BUNDLED_MODEL, "torch", "cpu", "fp32", None, jobs=2)
    result = in_new_process(measure, case, Settings.from_environment(), photos, 0.05)
    assert result.model == BUNDLED_MODEL
    assert (result.image_size, result.batch) == (32, 64)
    assert len(result.images_per_second) == len(result.decoding_images_per_second) == RUNS
    assert result.unreadable == max(100, 4 * result.streams * 64) // 6
    assert result.gpu is None
    assert result.peak_memory is None or 50e6 < result.peak_memory < 50e9


def row(batch: int, **changed: Any) -> Row:
    case = Case("some", "torch", "cuda:0", "bf16", None, jobs=1)
    values: dict[str, Any] = {
        "model": "some.model",
        "image_size": 224,
        "gpu": "Abacus 9000",
        "batch": batch,
        "streams": 2,
        "images_per_second": (9.0, 11.0, 10.0),
        "batches": 12,
        "batch_seconds": (0.1, 0.1234, None),
        "peak_memory": 123_400_000,
        "decoding_images_per_second": (),
        "unreadable": 0,
    }
    return Row(case, Measured(**(values | changed)), (0.5, 0.7, 0.6))


def test_the_table() -> None:
    facts = {"processor": "Quill", "processors": 3, "versions": {"torch": "9.9"}, "date": "2026-01-01"}
    text = benchmark_table(
        [row(1), row(32, decoding_images_per_second=(7.0, 8.0, 9.0), peak_memory=None)], facts
    )
    assert text == (
        "model       engine  device  precision  size  batch  images/s  least  most  ms a batch   90 %  99 %"
        "  with decoding   MB  one photo, s\n"
        "some.model  torch   cuda:0  bf16        224      1      10.0    9.0  11.0       100.0  123.4      "
        "                 123          0.60\n"
        "some.model  torch   cuda:0  bf16        224     32      10.0    9.0  11.0       100.0  123.4      "
        "            8.0               0.60\n"
        "\n"
        "Quill, 3 processors, Abacus 9000, torch 9.9, 2026-01-01\n"
    )


@pytest.mark.slow
def test_figures_for_programs(senet: Senet) -> None:
    options = ("--engine", "all", "--batch", "2,2", "--image-size", "40", "--format", "json", "-q")
    done = senet("benchmark", BUNDLED_MODEL, *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert result["machine"]["versions"]["torch"]
    engines = [row["engine"] for row in result["results"]]
    assert engines in (["openvino", "torch"], ["torch"])
    for row in result["results"]:
        assert (row["batch"], row["image_size"]) == (2, 40)
        assert len(row["start_seconds"]) == 3
        assert min(row["start_seconds"]) > 0.05


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the signal is sent as a terminal does")
def test_what_was_measured_before_ctrl_c_is_not_lost() -> None:
    command = [sys.executable, "-m", "senet_cli", "benchmark", BUNDLED_MODEL, "--engine", "torch"]
    process = subprocess.Popen(
        [*command, "--batch", "1,2,3,4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr
    assert "batch 1: " in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.splitlines()[1].split()[4:6] == ["32", "1"]  # image size, batch
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--batch", "0"), 2, "takes `auto` or"),
        (("--batch", ""), 2, "takes `auto` or"),
        (("--images", "nowhere"), 2, "is not a folder"),
        (("--images", "."), 3, "no images"),
        (("--engine", "openvino", "--device", "cuda"), 2, "does not drive"),
        (("--engine", "abacus"), 2, "abacus"),
        (("--precision", "fp32,fp8"), 2, "fp8"),
    ],
)
def test_what_cannot_be_measured(options: tuple[str, ...], code: int, reason: str, senet: Senet) -> None:
    done = senet("benchmark", BUNDLED_MODEL, *options)
    assert done.returncode == code, done.stderr
    assert reason in done.stderr
    assert done.stdout == ""


def test_unknown_model(senet: Senet) -> None:
    done = senet("benchmark", "seresnet51")
    assert done.returncode == 4
    assert "seresnet50" in done.stderr


# --- processes ------------------------------------------------------------------------------------


def _number(number: int) -> tuple[int, int]:
    return number, os.getpid()


def _refuse() -> None:
    raise UsageError("it is so", "Do that.", advise("use-cpu"))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_call_has_a_process_of_its_own() -> None:
    results = [in_new_process(_number, number) for number in (1, 2)]
    assert [number for number, _ in results] == [1, 2]
    assert len({os.getpid(), *(process for _, process in results)}) == 3


def test_errors_come_back_with_their_next_steps() -> None:
    with pytest.raises(UsageError, match="it is so") as caught:
        in_new_process(_refuse)
    assert caught.value.steps == ("Do that.", advise("use-cpu"))


def test_a_killed_process_is_told() -> None:
    with pytest.raises(DeviceError, match="signal 9"):
        in_new_process(_die)


def test_bugs_stay_bugs() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        in_new_process(int, "x")


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 4: .*seresnet51"):
        seconds_of(["info", "seresnet51"], 1)


def test_modules_of_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert len(seconds_of(["--version"], 2)) == 2


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7], 0.5, 7),
        ([2, 1], 0.5, 1),
        ([3, 1, 2], 0.5, 2),
        (range(9), 0.9, None),
        (range(1, 11), 0.9, 9),
        (range(1, 101), 0.99, 99),
    ],
)
def test_percentiles(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected
