"""Every published network, read from the publisher's kind of file, gives the publisher's logits."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from senet_cli.catalogue.entries import Preprocess
from senet_cli.inference.engines.torch import TorchEngine
from senet_cli.nets.network import SENetwork
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.weights.load import load_network
from senet_cli.weights.publishers import find_layout
from tests.oracles.nets import (
    Judge,
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
from tests.oracles.plan import DEFAULT, MANIFEST, PLAN, Comparison, Network, buildable, cost, parts
from tests.oracles.published import publish

CAFFE = "OpenCV, in tests/oracles/test_caffe.py"
NO_PACKAGE = {
    "seresnet32-cifar10.cutmix": "no package builds it; its own golden predictions judge it",
    "seresnet32-cifar10.teacher": "no package builds it; its own golden predictions judge it",
    "seresnet50.moskomule": "no package builds it; see test_other_networks.py",
    "seresnet101.ibn-a": "no package builds it; see test_other_networks.py",
    BUNDLED_MODEL: "the network of seresnet32-cifar10.cutmix",
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def any_size(judge: Judge, network: nn.Module) -> nn.Module:
    """The judge's network for images whose last maps are not of the size that its pool insists on."""
    if judge.package == "pretrainedmodels":
        network.avg_pool = nn.AdaptiveAvgPool2d(1)
    if judge.package == "pytorchcv":
        network.get_submodule("features").final_pool = nn.AdaptiveAvgPool2d(1)
    return network


def _quick_first(networks: list[Network]) -> list[Any]:
    """The quick half by default, the others with -m slow; `-m whole` compares all networks of all parts."""
    ordered = sorted(networks, key=lambda network: cost(network, PLAN[network]))
    half = len(ordered) // 2
    return [*ordered[:half], *(pytest.param(network, marks=pytest.mark.slow) for network in ordered[half:])]


# --- the comparisons ----------------------------------------------------------------------------


def read_all(network: Network, comparison: Comparison, state: dict[str, Tensor], folder: Path) -> SENetwork:
    """Our network as read from the publisher's file; from every kind of file the same tensors come out."""
    first: SENetwork | None = None
    for layout, file_format in comparison.files:
        path = publish(state, layout, file_format, folder)
        ours = load_network(path, network.spec, find_layout(layout))
        path.unlink()
        if first is None:
            first = ours
            continue
        expected = first.state_dict()
        different = [key for key, value in ours.state_dict().items() if not torch.equal(value, expected[key])]
        assert not different, f"{layout} as {file_format}"
    assert first is not None
    return first


@dataclass
class Built:
    """Our network as read from the publisher's files, and its judges with the same weights, in float32."""

    ours: SENetwork
    judges: dict[Judge, nn.Module]
    preprocess: Preprocess

    def inputs(self, size: int) -> Tensor:
        """Two images of this size as the network gets them."""
        return normalised(two_images(size), self.preprocess.mean, self.preprocess.std)

    def compare_exactly(self, *sizes: int) -> None:
        """Compare in float64, which the networks are turned into, in place."""
        self.ours.double()
        for theirs in self.judges.values():
            theirs.double()
        for size in sizes:
            inputs = self.inputs(size).double()
            ours = logits_of(self.ours, inputs)
            for judge, theirs in self.judges.items():
                assert_same(ours, logits_of(any_size(judge, theirs), inputs), 1e-9)

    def compare_through_the_engine(self, size: int) -> None:
        """Compare in float32."""
        engine = TorchEngine(copy.deepcopy(self.ours), self.preprocess, "cpu", "fp32")
        pixels = two_images(size).permute(0, 2, 3, 1).contiguous().numpy()
        ours = torch.from_numpy(engine.logits(pixels)).double()
        for judge, theirs in self.judges.items():
            assert_same(ours, logits_of(any_size(judge, theirs), self.inputs(size)), 1e-5)


def build(network: Network, folder: Path) -> Built:
    """The network and its judges, with statistics of images of the odd size: a fifth of the time."""
    comparison = PLAN[network]
    numbers, size = comparison.preprocess, comparison.odd_size(network.spec)
    judges = {judge: judge.build() for judge in comparison.judges}
    judge, first = next(iter(judges.items()))
    images = normalised(eight_images(size), numbers.mean, numbers.std)
    state = settled(any_size(judge, first), random_state(first), images)
    judges = {judge: with_state(theirs, state) for judge, theirs in judges.items()}
    return Built(read_all(network, comparison, state, folder), judges, numbers)


@pytest.mark.parametrize("network", _quick_first(DEFAULT), ids=str)
def test_logits_are_the_publishers_at_an_odd_size(network: Network, tmp_path: Path) -> None:
    """For the cheapest network of each part."""
    size = PLAN[network].odd_size(network.spec)
    built = build(network, tmp_path)
    built.compare_through_the_engine(size)
    built.compare_exactly(size)


@pytest.mark.whole
@pytest.mark.parametrize("network", PLAN, ids=str)
def test_logits_are_the_publishers(
    network: Network, tmp_path: Path, compared: Callable[[str, Iterable[str]], None]
) -> None:
    """In float64 at the native and at an odd size, and at the native one in float32 through the engine."""
    comparison = PLAN[network]
    native = comparison.preprocess.crop
    built = build(network, tmp_path)
    built.compare_through_the_engine(native)
    built.compare_exactly(native, comparison.odd_size(network.spec))
    for judge, names in comparison.judges.items():
        compared(judge.package, names)


# --- these comparisons can fail -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("judge", "layout", "right", "wrong"),
    [
        pytest.param(
            Judge("timm", "seresnet50"), "timm", "seresnet50", "seresnet50-caffe", id="stride in 1x1"
        ),
        pytest.param(
            Judge("pretrainedmodels", "se_resnet50"),
            "cadene",
            "seresnet50-caffe",
            "seresnet50",
            id="stride in 3x3",
        ),
        pytest.param(
            Judge("timm", "legacy_seresnet18"), "cadene", "seresnet18-caffe", "seresnet18", id="basic blocks"
        ),
        pytest.param(
            Judge("timm", "seresnext50_32x4d"),
            "timm",
            "seresnext50_32x4d",
            "seresnext50_32x4d-caffe",
            id="ceil pool",
        ),
        pytest.param(
            Judge("timm", "legacy_senet154"),
            "cadene",
            "senet154-caffe",
            "senet154",
            id="padded pool, senet154",
            marks=pytest.mark.whole,
        ),
    ],
)
def test_the_wrong_neighbour_loads_and_is_seen(
    judge: Judge, layout: str, right: str, wrong: str, tmp_path: Path
) -> None:
    network = judge.build()
    state = settled(any_size(judge, network), random_state(network), small_inputs(64).float())
    network = with_state(network, state).double()
    path = publish(state, layout, "torch", tmp_path)
    ours = {
        key: load_network(path, MANIFEST.architecture(key).spec, find_layout(layout)).double()
        for key in (right, wrong)
    }
    for size in (64, 65):
        inputs = small_inputs(size)
        theirs = logits_of(network, inputs)
        assert distance(logits_of(ours[right], inputs), theirs) <= 1e-9
        assert distance(logits_of(ours[wrong], inputs), theirs) > 1e-3


@pytest.mark.parametrize(
    "key",
    [
        "layer0.conv1.weight",
        "layer0.bn1.running_var",
        "layer2.1.conv1.weight",
        "layer2.1.conv2.weight",
        "layer2.1.bn1.weight",
        "layer2.1.bn2.bias",
        "layer2.1.bn3.running_mean",
        "layer2.1.bn3.running_var",
        "layer2.1.se_module.fc1.weight",
        "layer2.1.se_module.fc1.bias",
        "layer2.1.se_module.fc2.weight",
        "layer2.1.se_module.fc2.bias",
        "layer3.0.downsample.0.weight",
        "layer3.0.downsample.1.bias",
        "last_linear.weight",
        "last_linear.bias",
    ],
)
def test_one_mixed_up_tensor_is_seen(
    key: str, of_timm: tuple[dict[str, Tensor], Tensor], tmp_path: Path
) -> None:
    state, theirs = of_timm

    def off(state: dict[str, Tensor]) -> float:
        path = publish(state, "cadene", "torch", tmp_path)
        spec = MANIFEST.architecture("seresnext26_32x4d-caffe").spec
        ours = load_network(path, spec, find_layout("cadene")).double()
        return distance(logits_of(ours, small_inputs(64)), theirs)

    assert off(state) <= 1e-9
    assert off(state | {key: state[key].flip(0)}) > 1e-4


@pytest.fixture(scope="module")
def of_timm() -> tuple[dict[str, Tensor], Tensor]:
    """Weights of a network of timm's, and its logits."""
    network = Judge("timm", "legacy_seresnext26_32x4d").build()
    state = settled(network, random_state(network), small_inputs(64).float())
    return state, logits_of(with_state(network, state).double(), small_inputs(64))


def small_inputs(size: int) -> Tensor:
    return normalised(two_images(size), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).double()


# --- what is covered ----------------------------------------------------------------------------


def test_every_checkpoint_is_compared_or_has_a_reason() -> None:
    judged: dict[str, dict[str, set[str]]] = {}
    for comparison in PLAN.values():
        for judge, names in comparison.judges.items():
            for name in names:
                judged.setdefault(judge.package, {}).setdefault(name, set()).add(str(judge))
    for package, builds in buildable().items():
        assert {*judged[package]} == builds, f"all that {package} builds"
    by_name = {name for names in judged.values() for name in names}
    by_name |= {name for name in MANIFEST.checkpoints if name.endswith(".caffe")}
    assert set(MANIFEST.checkpoints) - by_name == set(NO_PACKAGE)


def test_the_default_run_touches_every_part() -> None:
    def of(networks: Iterable[Network]) -> set[str]:
        return {part for network in networks for part in parts(network, PLAN[network])}

    assert of(DEFAULT) == of(PLAN)
    sys.stdout.write(f"{len(DEFAULT)} of {len(PLAN)} networks by default; all with -m whole\n")
