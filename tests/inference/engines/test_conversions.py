"""Converted once, kept, checked, shared: `senet predict` with the OpenVINO engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.graphs import openvino
from tests.conftest import Senet
from tests.environment import Environment

pytestmark = pytest.mark.skipif(not openvino.is_installed(), reason="OpenVINO is not installed")

SHIP = Path(__file__).parents[3] / "examples" / "ship.jpg"
NAME = "small.random"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with one small checkpoint, to be fetched from a file."""
    import torch

    from senet_cli.nets.network import build_network
    from senet_cli.weights.publishers.timm import TIMM

    folder = tmp_path_factory.mktemp("origin")
    torch.manual_seed(0)
    state = build_network(load_manifest().architecture("seresnet20-cifar").spec).state_dict()
    weights = folder / "small.pth"
    torch.save({TIMM.key(key): value for key, value in state.items()}, weights)
    entry = {
        "publisher": "test",
        "architecture": "seresnet20-cifar",
        "preprocess": {
            "resize": 32,
            "crop": 32,
            "interpolation": "bilinear",
            "mean": [0.5] * 3,
            "std": [0.5] * 3,
        },
        "licence": {"name": "none"},
        "files": [
            {
                "urls": [weights.as_uri()],
                "format": "torch",
                "layout": "timm",
                "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            }
        ],
    }
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "checkpoints": {NAME: entry}}))
    return folder


@pytest.fixture
def predict(senet: Senet, origin: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*options: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        own = {"SENET_MANIFEST": str(origin / "manifest.json")} | (env or {})
        return senet("predict", SHIP, "-m", NAME, "-k", 10, "--device", "cpu", *options, env=own)

    return run


@pytest.fixture(scope="module")
def warm_cache(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the conversion."""
    cache = tmp_path_factory.mktemp("warm") / "cache"
    environment = {"SENET_MANIFEST": str(origin / "manifest.json"), "SENET_CACHE": str(cache)}
    done = Environment(cache.parent, environment).run("warm", NAME)
    assert done.returncode == 0, done.stderr
    name, folder = done.stdout.rstrip("\n").split("\t")
    assert name == NAME
    assert (Path(folder) / "network.bin").stat().st_size > 1_000_000
    return cache


@pytest.fixture
def cache(warm_cache: Path, tmp_path: Path) -> Path:
    """A copy of it, as the cache of this test."""
    return shutil.copytree(warm_cache, tmp_path / "cache")


def scores(done: subprocess.CompletedProcess[str]) -> dict[str, float]:
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {row[5]: float(row[3]) for row in rows}


def converted(cache: Path) -> list[Path]:
    return [path.parent for path in (cache / "converted").glob("*/about.json")]


# --- the same answers -----------------------------------------------------------------------------


def test_the_first_time_converts_and_the_answers_are_torchs(predict: Any, tmp_path: Path) -> None:
    torchs = predict("--engine", "torch", "-v")
    assert "torch on cpu" in torchs.stderr
    assert not (tmp_path / "cache" / "converted").exists()
    first, second = predict("-v"), predict("-v")
    assert "openvino on cpu" in first.stderr
    assert f"converting `{NAME}`" in first.stderr
    assert "converting" not in second.stderr
    assert scores(first) == scores(second) == pytest.approx(scores(torchs), abs=1e-5)
    assert len(converted(tmp_path / "cache")) == 1


def test_neither_torch_nor_the_checkpoint_is_needed_any_more(predict: Any, cache: Path) -> None:
    expected = scores(predict("--engine", "torch"))
    shutil.rmtree(cache / "checkpoints")
    assert scores(predict("--offline")) == pytest.approx(expected, abs=1e-5)


@pytest.mark.usefixtures("cache")
def test_a_prediction_imports_no_torch_looks_up_no_name_and_opens_no_socket(origin: Path) -> None:
    program = f"""
import sys
def watch(event, arguments):
    if event.startswith("socket."):
        print(event, arguments, file=sys.stderr)
sys.addaudithook(watch)
from senet_cli.cli.app import app
app(["predict", {str(SHIP)!r}, "-m", {NAME!r}, "-v"], standalone_mode=False)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SENET_MANIFEST": str(origin / "manifest.json"), "SENET_DEVICE": "auto"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "openvino on cpu" not in done.stderr:
        pytest.skip("this machine has a GPU, which PyTorch drives")
    modules = set(done.stderr.splitlines()[-1].split())
    assert {"openvino", "PIL", "numpy"} <= modules
    assert modules & {"torch", "torchvision", "openvino_telemetry", "requests", "urllib3"} == set()
    assert "socket." not in done.stderr


def test_weights_of_ones_own(senet: Senet, origin: Path) -> None:
    own = ("--weights", origin / "small.pth", "--arch", "seresnet20-cifar", "--device", "cpu", "-k", 10)
    answers = [scores(senet("predict", SHIP, *own, "--engine", name)) for name in ("openvino", "torch")]
    assert answers[0] == pytest.approx(answers[1], abs=1e-5)


# --- the cache ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["network.bin", "network.xml", "about.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_conversion_is_made_anew(file: str, damage: str, predict: Any, cache: Path) -> None:
    expected = scores(predict("--engine", "torch"))
    (folder,) = converted(cache)
    path, data = folder / file, bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 255
    path.unlink()
    if damage != "gone":
        path.write_bytes(data if damage == "flip" else data[: len(data) // 2])
    done = predict("-v")
    assert scores(done) == pytest.approx(expected, abs=1e-5)
    assert "converting" in done.stderr
    assert "converting" not in predict("-v").stderr


def test_what_a_killed_conversion_left_is_cleared_away(predict: Any, cache: Path) -> None:
    (folder,) = converted(cache)
    left = folder.parent / f".new-{folder.name}-killed"
    folder.rename(left)
    assert predict().returncode == 0
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_copied_cache_is_hashed_once_and_used(predict: Any, cache: Path) -> None:
    (folder,) = converted(cache)
    before = (folder / "about.json").read_text()
    done = predict("-v")
    assert "converting" not in done.stderr
    assert (folder / "about.json").read_text() != before  # times and inodes of the copies
    before = (folder / "about.json").read_text()
    predict()
    assert (folder / "about.json").read_text() == before


@pytest.mark.slow
def test_processes_convert_side_by_side(senet: Senet, origin: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "senet_cli", "predict", str(SHIP), "-m", NAME, "-v", "--device", "cpu"]
    environment = os.environ | {"SENET_MANIFEST": str(origin / "manifest.json")}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(*process.communicate(timeout=300), process.returncode) for process in running]
    assert [code for _, _, code in ends] == [0, 0, 0]
    assert len({out for out, _, _ in ends}) == 1
    assert sum("converting `" in err for _, err, _ in ends) == 1
    assert [path.name for path in (tmp_path / "cache" / "converted").iterdir()] == [
        converted(tmp_path / "cache")[0].name
    ]


def test_a_cache_that_cannot_be_written(predict: Any, tmp_path: Path) -> None:
    expected = scores(predict("--engine", "torch"))
    (tmp_path / "cache" / "converted").write_text("in the way")
    done = predict("-v")
    assert scores(done) == pytest.approx(expected, abs=1e-5)
    assert "cannot be kept" in done.stderr


def test_a_shared_cache_below_is_used(predict: Any, warm_cache: Path, tmp_path: Path) -> None:
    done = predict("-v", env={"SENET_CACHE_PATH": str(warm_cache)})
    assert done.returncode == 0, done.stderr
    assert "converting" not in done.stderr
    assert not (tmp_path / "cache" / "converted").exists()


@pytest.mark.parametrize("what", [NAME, "--all"])
def test_removing_a_model_removes_its_conversions(what: str, senet: Senet, origin: Path, cache: Path) -> None:
    done = senet("cache", "rm", what, env={"SENET_MANIFEST": str(origin / "manifest.json")})
    assert done.returncode == 0, done.stderr
    assert list((cache / "converted").iterdir()) == []


# --- asking for an engine -------------------------------------------------------------------------


def test_an_engine_that_does_not_drive_the_device(predict: Any) -> None:
    done = predict("--engine", "openvino", "--device", "cuda")
    assert done.returncode == 2
    assert "does not drive" in done.stderr


@pytest.mark.parametrize(("request_", "code"), [("auto", 0), ("openvino", 8)])
def test_without_openvino(request_: str, code: int, origin: Path) -> None:
    program = f"""
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "openvino" else find(name, *more)
sys.modules["openvino"] = None
sys.argv = ["senet", "predict", {str(SHIP)!r}, "-m", {NAME!r}, "-v", "--device", "cpu"]
sys.argv += ["--engine", {request_!r}]
from senet_cli.__main__ import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SENET_MANIFEST": str(origin / "manifest.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert ("torch on cpu" if code == 0 else "pip install openvino") in done.stderr
