"""`senet benchmark`: what it prints is what happened, case by case."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from senet_cli.benchmark.measure import RUNS, Case, measure, percentile
from senet_cli.benchmark.processes import in_new_process, seconds_of
from senet_cli.errors import DeviceError, UsageError
from senet_cli.settings import BUNDLED_MODEL, Settings
from tests.conftest import Senet


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (48, 40), (40 * number, 90, 200)).save(folder / f"{number}.png")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n")
    return folder


@pytest.mark.parametrize(("batch", "expected"), [(3, 3), (None, 64)])
def test_a_case(batch: int | None, expected: int, photos: Path) -> None:
    case = Case(BUNDLED_MODEL, "torch", "cpu", "fp32", batch, jobs=2)
    result = measure(case, Settings.from_environment(), photos, run_seconds=0.02)
    assert result.model == BUNDLED_MODEL
    assert result.batch == expected
    assert len(result.images_per_second) == RUNS
    assert len(result.decoding_images_per_second) == RUNS
    assert list(result.batch_seconds) == sorted(result.batch_seconds)
    assert result.batches >= RUNS * result.streams
    assert result.peak_memory is None or 50e6 < result.peak_memory < 50e9


def test_figures_for_people_and_for_programs(senet: Senet) -> None:
    done = senet("benchmark", "seresnet10-cifar10", "--engine", "torch", "--batch", "2")
    assert done.returncode == 0, done.stderr
    head, row, _, machine = done.stdout.splitlines()
    assert head.split()[:4] == ["model", "engine", "precision", "batch"]
    cells = row.split()
    assert cells[:4] == [BUNDLED_MODEL, "torch", "fp32", "2"]
    median, least, most = map(float, cells[4:7])
    assert 0 < least <= median <= most
    assert "processors, torch " in machine
    done = senet(
        *("benchmark", "seresnet10-cifar10", "--engine", "all", "--batch", "2,2", "--precision", "fp32"),
        *("--format", "json", "-q"),
    )
    assert done.returncode == 0
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert result["machine"]["versions"]["torch"]
    engines = [row["engine"] for row in result["results"]]
    assert engines in (["openvino", "torch"], ["torch"])
    for row in result["results"]:
        assert len(row["start_seconds"]) == 3
        assert min(row["start_seconds"]) > 0.05
        assert row["device"] == "cpu"


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--batch", "0"), 2, "neither `auto`"),
        (("--batch", ""), 2, "neither `auto`"),
        (("--images", "nowhere"), 2, "no folder"),
        (("--images", "."), 3, "no images"),
        (("--engine", "openvino", "--device", "cuda"), 2, "does not drive"),
        (("--engine", "abacus"), 2, "abacus"),
        (("--precision", "fp32,fp8"), 2, "fp8"),
    ],
)
def test_what_cannot_be_measured(options: tuple[str, ...], code: int, reason: str, senet: Senet) -> None:
    done = senet("benchmark", "seresnet10-cifar10", *options)
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
    raise UsageError("it is so", "Do that.")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_call_has_a_process_of_its_own() -> None:
    results = [in_new_process(_number, number) for number in (1, 2)]
    assert [number for number, _ in results] == [1, 2]
    assert len({os.getpid(), *(process for _, process in results)}) == 3


def test_errors_come_back_with_their_hint() -> None:
    with pytest.raises(UsageError, match="it is so") as caught:
        in_new_process(_refuse)
    assert caught.value.hint == "Do that."


def test_a_killed_process_is_told() -> None:
    with pytest.raises(DeviceError, match="-9"):
        in_new_process(_die)


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(DeviceError, match="could not be classified"):
        seconds_of(["predict", "nowhere.jpg", "-m", BUNDLED_MODEL], 1)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([1], 0.99, 1), ([1, 2], 0.5, 1), ([1, 2, 3], 0.5, 2), (list(range(1, 101)), 0.99, 99), ([1, 2], 1, 2)],
)
def test_percentiles(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected
