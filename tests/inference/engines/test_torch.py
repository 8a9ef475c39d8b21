"""The torch engine: folded batch norms, batches side by side, batches that the device has no room for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli.hints import hint
from senet_cli.errors import DeviceError, ExitCode
from senet_cli.inference.engines.torch import TorchEngine, streams_and_threads
from senet_cli.nets.folding import fold_batch_norms
from senet_cli.nets.network import SENetwork, build_network
from tests.oracles.nets import assert_same, logits_of, one_thread, random_state, two_images, with_state

ARCHITECTURES = load_manifest().architectures
SMALL = "seresnet20-cifar"
PREPROCESS = ARCHITECTURES[SMALL].preprocess


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def random_network(key: str) -> SENetwork:
    network = build_network(ARCHITECTURES[key].spec).eval()
    return cast(SENetwork, with_state(network, random_state(network)))


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("key", [SMALL, "seresnet18-caffe", "seresnext50_32x4d"])
def test_folded_a_network_is_the_same_function(key: str) -> None:
    network = random_network(key).double()
    folded = copy.deepcopy(network)
    fold_batch_norms(folded)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    inputs = two_images(33).double()
    assert_same(logits_of(folded, inputs), logits_of(network, inputs), 1e-9)


@pytest.mark.parametrize(
    ("processors", "expected"),
    [(1, (1, 1)), (2, (2, 1)), (8, (8, 1)), (9, (4, 2)), (12, (6, 2)), (64, (8, 8))],
)
def test_all_processors_work(processors: int, expected: tuple[int, int]) -> None:
    assert streams_and_threads("cpu", processors, latency=False) == expected
    torch.set_num_threads(3)
    assert streams_and_threads("cpu", processors, latency=True) == (1, min(3, processors))
    assert streams_and_threads("cpu", processors, latency=True, exact=True) == (1, processors)
    torch.set_num_threads(1)


@pytest.mark.parametrize(("latency", "streams"), [(False, 2), (True, 1)])
def test_batches_run_side_by_side_unless_one_image_counts(latency: bool, streams: int) -> None:
    network = random_network(SMALL)
    alone = TorchEngine(copy.deepcopy(network), PREPROCESS, "cpu", "fp32")
    torch.set_num_threads(2)
    engine = TorchEngine(network, PREPROCESS, "cpu", "fp32", processors=2, latency=latency)
    assert engine.streams == streams
    assert torch.get_num_threads() == 2 // streams
    torch.set_num_threads(1)
    batches = [pixels(4)[i : i + 2] for i in (0, 2, 1, 0, 2)]
    with ThreadPoolExecutor(engine.streams) as pool:
        for ours, batch in zip(pool.map(engine.logits, batches), batches, strict=True):
            np.testing.assert_allclose(ours, alone.logits(batch), rtol=1e-4, atol=1e-5)


def with_room_for(network: SENetwork, images: int) -> list[int]:
    """Makes the network fail as a device without memory does; returns the sizes of the batches it sees."""
    seen: list[int] = []

    def hook(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        seen.append(len(inputs[0]))
        if seen[-1] > images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    network.stem.register_forward_pre_hook(hook)
    return seen


@pytest.mark.parametrize("method", ["logits", "features"])
def test_a_batch_without_room_is_halved_until_it_fits(method: str) -> None:
    network = random_network(SMALL)
    whole = getattr(TorchEngine(copy.deepcopy(network), PREPROCESS, "cpu", "fp32"), method)(pixels(9))
    seen = with_room_for(network, 3)
    engine = TorchEngine(network, PREPROCESS, "cpu", "fp32")
    np.testing.assert_allclose(getattr(engine, method)(pixels(9)), whole, rtol=1e-4, atol=1e-5)
    assert seen == [9, 4, 2, 2, 2, 2, 1]
    seen.clear()
    getattr(engine, method)(pixels(4))
    assert seen == [2, 2]  # it does not try again what failed
    assert engine.largest_batch == 2


def test_one_image_without_room_is_told() -> None:
    network = random_network(SMALL)
    with_room_for(network, 0)
    with pytest.raises(DeviceError, match="`cpu` is out of memory") as caught:
        TorchEngine(network, PREPROCESS, "cpu", "fp32").logits(pixels(2))
    assert caught.value.exit_code == ExitCode.DEVICE
    assert "--batch-size" in hint(caught.value)
