"""Converted networks give the logits of the networks they were made from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.graphs import openvino as graphs
from senet_cli.inference.engines import openvino
from senet_cli.inference.engines.base import Precision
from senet_cli.nets.network import SENetwork, build_network, state_of
from senet_cli.specs import ArchSpec, Spec
from tests.oracles.nets import (
    assert_same,
    distance,
    eight_images,
    logits_of,
    normalised,
    one_thread,
    random_state,
    settled,
    two_images,
    with_state,
)
from tests.oracles.parts import cheapest, parts_of

pytestmark = pytest.mark.skipif(not graphs.is_installed(), reason="OpenVINO is not installed")

ARCHITECTURES = load_manifest().architectures
SMALL = "seresnet20-cifar"


def size_of(key: str) -> int:
    """An odd side, so that most maps are odd and the two kinds of stem pools differ."""
    return 33 if ARCHITECTURES[key].preprocess.crop == 32 else 97


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def spec_of(key: str, *, shallow: bool = False) -> Spec:
    """The architecture, or one with the same blocks that repeats none of them more than once."""
    spec = ARCHITECTURES[key].spec
    return spec.shallow() if shallow and isinstance(spec, ArchSpec) else spec


def random_network(key: str, *, shallow: bool = False) -> SENetwork:
    with torch.device("meta"):
        network = build_network(spec_of(key, shallow=shallow))
    numbers = ARCHITECTURES[key].preprocess
    inputs = normalised(eight_images(size_of(key)), numbers.mean, numbers.std)
    return cast(SENetwork, with_state(network, settled(network, random_state(network), inputs)))


def converted(network: SENetwork, key: str, folder: Path) -> tuple[Path, Path]:
    preprocess = replace(ARCHITECTURES[key].preprocess, crop=size_of(key))
    graphs.save(graphs.build(network.spec, state_of(network), preprocess), folder / openvino.NETWORK_FILE)
    return folder / openvino.NETWORK_FILE, folder / openvino.WEIGHTS_FILE


def engine(files: tuple[Path, Path], precision: Precision = "fp32", streams: int = 1) -> Any:
    return openvino.OpenVINOEngine(*files, precision, streams=streams, threads=streams)


DEFAULT = cheapest(
    ARCHITECTURES,
    lambda key: parts_of(ARCHITECTURES[key].spec),
    lambda key: spec_of(key, shallow=True).multiply_adds(size_of(key)),
)
DEEPEST_FIRST = sorted(ARCHITECTURES, key=lambda key: -ARCHITECTURES[key].spec.parameters())
"""So that of two processes neither waits at the end."""


def compare(network: SENetwork, key: str, folder: Path) -> None:
    runs = engine(converted(network, key, folder))
    images = two_images(size_of(key))
    ours = runs.logits(images.permute(0, 2, 3, 1).contiguous().numpy())
    numbers = ARCHITECTURES[key].preprocess
    inputs = normalised(images, numbers.mean, numbers.std)
    assert ours.dtype == np.float32
    in_float32 = logits_of(network.float(), inputs.float()).double()
    exact = logits_of(network.double(), inputs.double())
    # random weights can magnify the rounding of float32, whoever calculates with them
    limit = max(2e-5, 2 * distance(in_float32, exact))
    assert_same(torch.from_numpy(ours).double(), exact, limit)


QUICK = sorted(DEFAULT, key=lambda key: spec_of(key, shallow=True).multiply_adds(size_of(key)))[:6]


@pytest.mark.parametrize(
    "key", [key if key in QUICK else pytest.param(key, marks=pytest.mark.slow) for key in DEFAULT]
)
def test_every_part_gives_the_logits_of_the_torch_network(key: str, tmp_path: Path) -> None:
    compare(random_network(key, shallow=True), key, tmp_path)


@pytest.mark.whole
@pytest.mark.parametrize("key", DEEPEST_FIRST)
def test_logits_are_those_of_the_torch_network(key: str, tmp_path: Path) -> None:
    compare(random_network(key), key, tmp_path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[SENetwork, tuple[Path, Path]]:
    network = random_network(SMALL)
    return network, converted(network, SMALL, tmp_path_factory.mktemp("small"))


def pixels_of(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, size_of(SMALL), size_of(SMALL), 3), np.uint8)


def test_any_number_of_images_gives_the_same_rows(small: tuple[SENetwork, tuple[Path, Path]]) -> None:
    runs = engine(small[1])
    pixels = pixels_of(7)
    together = runs.logits(pixels)
    assert together.shape == (7, 10)
    alone = np.concatenate([runs.logits(pixels[number : number + 1]) for number in range(7)])
    np.testing.assert_allclose(together, alone, atol=1e-5 * together.std())


def test_features_are_what_the_head_gets(small: tuple[SENetwork, tuple[Path, Path]]) -> None:
    network, files = small
    pixels = pixels_of(3)
    runs = engine(files)
    features = runs.features(pixels)
    assert features.shape == (3, 64)
    with torch.inference_mode():
        logits = network.float().head(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(logits, runs.logits(pixels), atol=1e-4)


def test_batches_side_by_side_do_not_mix(small: tuple[SENetwork, tuple[Path, Path]]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    runs = engine(small[1], streams=2)
    batches = [pixels_of(4) + number for number in range(20)]
    expected = [runs.logits(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:  # more callers than streams: they wait for each other
        found = list(pool.map(runs.logits, batches))
    np.testing.assert_array_equal(found, expected)


def test_stored_weights_are_not_rounded(small: tuple[SENetwork, tuple[Path, Path]]) -> None:
    network, (_, weights) = small
    folded = sum(p.numel() for p in network.parameters()) * 4
    assert weights.stat().st_size > 0.95 * folded


def test_telemetry_is_not_there_while_the_library_is_imported() -> None:
    assert graphs.import_openvino() is sys.modules["openvino"]
    assert sys.modules.get("openvino_telemetry", "absent") is not None  # the block was taken away again


FIRST_TOGETHER = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from senet_cli.inference.engines.openvino import OpenVINOEngine

engine = OpenVINOEngine(Path(sys.argv[1]), Path(sys.argv[2]), "fp32", streams=2, threads=2)
together = threading.Barrier(2)

def first(_):
    together.wait()
    return engine.logits(np.zeros((2, 33, 33, 3), np.uint8)).shape

with ThreadPoolExecutor(2) as pool:
    print(*pool.map(first, range(2)))
"""


def test_the_first_batches_of_a_process_may_come_at_once(small: tuple[Any, tuple[Path, Path]]) -> None:
    """OpenVINO's binding would hang: its tables of number formats are filled under two locks."""
    command = [sys.executable, "-c", FIRST_TOGETHER, *map(str, small[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "(2, 10) (2, 10)\n", done.stderr
