"""Every published network, read from the publisher's kind of file, gives the publisher's logits."""

from __future__ import annotations

import copy
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, Preprocess
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.inference.engines.torch import TorchEngine
from senet_cli.nets.network import SENetwork
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.specs import AntiAliasedBottleneck, ArchSpec, PoollessStem
from senet_cli.weights.publishers import find_layout
from senet_cli.weights.read import load_network
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
from tests.oracles.parts import cheapest, parts_of

MANIFEST = load_manifest()
ODD_SIZE = 97
"""Halved five times it gives 49, 24 or 25, 13, 7, 4: most maps are odd, and the two stem pools differ."""
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


# --- who judges which checkpoint ----------------------------------------------------------------


def judge_of(checkpoint: Checkpoint) -> Judge | None:
    """The builder that people load this checkpoint with, from the name the publisher gave it."""
    for alias in checkpoint.aliases:
        publisher, _, name = alias.partition("/")
        if publisher == "timm":  # the tag behind the dot tells it the number of classes, usually 1000
            usual = checkpoint.architecture.spec.classes == 1000
            return Judge("timm", name.partition(".")[0] if usual else name)
        if publisher == "cadene":
            return Judge("pretrainedmodels", name)
        if publisher == "pytorchcv":
            return Judge("pytorchcv", name)
        if publisher == "mmpretrain":  # timm's network of that name is the same under other keys
            return Judge("timm", name.partition("_")[0])
    return None


@dataclass(frozen=True)
class Group:
    """Checkpoints that differ in nothing but their numbers, and the judges of all of them."""

    architecture: str
    classes: int
    layout: str
    format: str
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __str__(self) -> str:
        return f"{self.architecture}-{self.classes}-{self.layout}-{self.format}-{self.crop}"

    @property
    def spec(self) -> ArchSpec:
        return MANIFEST.architecture(self.architecture).spec.with_classes(self.classes)

    @property
    def parts(self) -> set[str]:
        """All that this comparison is the judge of, whatever the widths and depths."""
        return parts_of(self.spec) | {self.layout, self.format}

    @property
    def odd_size(self) -> int:
        """Another size than the publisher's, odd where the publisher's own code takes it."""
        spec = self.spec
        if isinstance(spec.block, AntiAliasedBottleneck):
            return 96  # its two branches give maps of different sizes where one is odd
        if isinstance(spec.stem, PoollessStem):
            return 161
        return ODD_SIZE if self.crop > 64 else 33


def group_of(checkpoint: Checkpoint, file: CheckpointFile) -> Group:
    numbers = checkpoint.preprocess
    return Group(
        checkpoint.architecture.key,
        checkpoint.architecture.spec.classes,
        file.layout,
        file.format,
        numbers.crop,
        numbers.mean,
        numbers.std,
    )


def planned() -> dict[Group, dict[Judge, list[str]]]:
    """Group -> judge -> names of the checkpoints that this comparison covers."""
    plan: dict[Group, dict[Judge, list[str]]] = {}
    for checkpoint in MANIFEST.checkpoints.values():
        if judge := judge_of(checkpoint):
            for file in checkpoint.files:
                group = plan.setdefault(group_of(checkpoint, file), {})
                group.setdefault(judge, []).append(checkpoint.name)
    return plan


PLAN = planned()


DEFAULT = cheapest(PLAN, lambda group: group.parts, lambda group: group.spec.multiply_adds(group.crop))
GROUPS = [
    pytest.param(
        group,
        id=str(group),
        # a network is built once for its three comparisons, wherever they run
        marks=[pytest.mark.xdist_group(str(group)), *([] if group in DEFAULT else [pytest.mark.whole])],
    )
    for group in PLAN
]


# --- files as the publishers write them ---------------------------------------------------------


def mmpretrain_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's keys as mmpretrain's configuration of the same network spells them."""
    spelled = {}
    for key, value in state.items():
        if key.startswith("fc."):
            spelled[f"head.{key}"] = value
            continue
        new = key.replace(".se.fc1.", ".se_layer.conv1.conv.").replace(".se.fc2.", ".se_layer.conv2.conv.")
        spelled[f"backbone.{new}"] = value
    return spelled


def publish(state: dict[str, Tensor], layout: str, file_format: str, folder: Path) -> Path:
    """A file as this publisher writes them: container, wrapper, age of the format, keys."""
    path = folder / "published"
    if file_format == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path, metadata={"format": "pt"})
    elif file_format == "torch-zip":
        torch.save(state, folder / "weights.pth")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / "weights.pth", "weights.pth")
    elif layout == "mmpretrain":
        wrapped = {"meta": {"epoch": 100, "mmcls_version": "0.4"}, "state_dict": mmpretrain_keys(state)}
        torch.save(wrapped, path)
    elif layout == "cadene":  # from 2018: before zip files, before batch norms counted their batches
        old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        torch.save(old, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(state, path)
    return path


@dataclass
class Loaded:
    """Our network as read from a file, and the judges with the same weights."""

    ours: SENetwork
    judges: dict[Judge, nn.Module]
    preprocess: Preprocess
    odd_size: int

    def inputs(self, size: int) -> Tensor:
        return normalised(two_images(size), self.preprocess.mean, self.preprocess.std)


@pytest.fixture(scope="module", params=GROUPS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    group: Group = request.param
    judges = {judge: judge.build() for judge in PLAN[group]}
    name = next(name for names in PLAN[group].values() for name in names)
    checkpoint = MANIFEST.checkpoints[name]
    first, numbers = next(iter(judges.values())), checkpoint.preprocess
    inputs = normalised(eight_images(numbers.crop), numbers.mean, numbers.std)
    state = settled(first, random_state(first), inputs)
    judges = {judge: with_state(network, state) for judge, network in judges.items()}
    path = publish(state, group.layout, group.format, tmp_path_factory.mktemp("files"))
    ours = load_network(path, checkpoint.architecture.spec, find_layout(group.layout))
    path.unlink()
    return Loaded(ours, judges, checkpoint.preprocess, group.odd_size)


def any_size(judge: Judge, network: nn.Module) -> nn.Module:
    """The judge's network for images whose last maps are not of the size that its pool insists on."""
    if judge.package == "pretrainedmodels":
        network.avg_pool = nn.AdaptiveAvgPool2d(1)
    if judge.package == "pytorchcv":
        network.get_submodule("features").final_pool = nn.AdaptiveAvgPool2d(1)
    return network


# --- the comparisons ----------------------------------------------------------------------------


def test_native_size_in_float64(loaded: Loaded) -> None:
    inputs = loaded.inputs(loaded.preprocess.crop).double()
    ours = logits_of(copy.deepcopy(loaded.ours).double(), inputs)
    for network in loaded.judges.values():
        assert_same(ours, logits_of(copy.deepcopy(network).double(), inputs), 1e-9)


def test_native_size_in_float32_through_the_engine(loaded: Loaded) -> None:
    size = loaded.preprocess.crop
    engine = TorchEngine(copy.deepcopy(loaded.ours), loaded.preprocess, "cpu", "fp32")
    ours = torch.from_numpy(engine.logits(two_images(size).permute(0, 2, 3, 1).contiguous().numpy()))
    for network in loaded.judges.values():
        assert_same(ours.double(), logits_of(network, loaded.inputs(size)), 1e-5)


def test_odd_size_in_float64(loaded: Loaded) -> None:
    inputs = loaded.inputs(loaded.odd_size).double()
    ours = logits_of(copy.deepcopy(loaded.ours).double(), inputs)
    for judge, network in loaded.judges.items():
        theirs = any_size(judge, copy.deepcopy(network).double())
        assert_same(ours, logits_of(theirs, inputs), 1e-9)


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
def test_one_mixed_up_tensor_is_seen(key: str, tmp_path: Path) -> None:
    network = Judge("timm", "legacy_seresnext26_32x4d").build()
    state = settled(network, random_state(network), small_inputs(64).float())
    theirs = logits_of(with_state(network, state).double(), small_inputs(64))

    def off(state: dict[str, Tensor]) -> float:
        path = publish(state, "cadene", "torch", tmp_path)
        spec = MANIFEST.architecture("seresnext26_32x4d-caffe").spec
        ours = load_network(path, spec, find_layout("cadene")).double()
        return distance(logits_of(ours, small_inputs(64)), theirs)

    assert off(state) <= 1e-9
    assert off(state | {key: state[key].flip(0)}) > 1e-4


def small_inputs(size: int) -> Tensor:
    return normalised(two_images(size), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).double()


# --- what is covered ----------------------------------------------------------------------------


def test_every_checkpoint_is_compared_or_has_a_reason() -> None:
    judged = {
        name: str(judge) for judges in PLAN.values() for judge, names in judges.items() for name in names
    }
    judged |= {name: CAFFE for name in MANIFEST.checkpoints if name.endswith(".caffe")}
    for name in MANIFEST.checkpoints:
        sys.stdout.write(f"{name:28} -> {judged.get(name) or NO_PACKAGE[name]}\n")
    packages = Counter(judge.partition(":")[0] for judge in judged.values())
    compared = ", ".join(f"{count} with {package}" for package, count in packages.items())
    sys.stdout.write(f"{len(judged)} of {len(MANIFEST.checkpoints)} compared: {compared}\n")
    assert set(MANIFEST.checkpoints) - set(judged) == set(NO_PACKAGE)


def test_the_default_run_touches_every_part() -> None:
    def parts(groups: Iterable[Group]) -> set[str]:
        return {part for group in groups for part in group.parts}

    assert parts(DEFAULT) == parts(PLAN)
    sys.stdout.write(f"{len(DEFAULT)} of {len(PLAN)} comparisons by default; all with -m whole\n")
