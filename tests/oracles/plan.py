"""Which network of which package judges which checkpoints, and who has to be compared in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, Preprocess
from senet_cli.catalogue.lookup import Manifest, load_manifest
from senet_cli.specs import AntiAliasedBottleneck, PoollessStem, Spec
from tests.oracles.nets import Judge
from tests.oracles.parts import cheapest, parts_of

MANIFEST = load_manifest()
ODD_SIZE = 97
"""Halved five times it gives 49, 24 or 25, 13, 7, 4: most maps are odd, and the two stem pools differ."""
_KEYS_OF = {"mmpretrain": "timm"}
"""Layouts that are another's under other names: their files are written from that one's weights."""
_PACKAGES = {"timm": "timm", "mmpretrain": "timm", "cadene": "pretrainedmodels", "pytorchcv": "pytorchcv"}


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
class Network:
    """A network with the keys that a package gives its weights: built once for all that it judges."""

    architecture: str
    classes: int
    keys: str

    def __str__(self) -> str:
        return f"{self.architecture}-{self.classes}-{self.keys}"

    @property
    def spec(self) -> Spec:
        """Its structure."""
        return MANIFEST.architecture(self.architecture).spec.with_classes(self.classes)


@dataclass
class Comparison:
    """What one network is compared with.

    Attributes:
        judges: names of the checkpoints that each of them judges.
        files: one checkpoint's numbers for each kind of file (layout, format) that these weights come in.
    """

    judges: dict[Judge, list[str]] = field(default_factory=dict)
    files: dict[tuple[str, str], Preprocess] = field(default_factory=dict)

    @property
    def preprocess(self) -> Preprocess:
        """The largest native input, and its publisher's normalisation."""
        return max(self.files.values(), key=lambda numbers: numbers.crop)

    def odd_size(self, spec: Spec) -> int:
        """Another size than the publisher's, odd where the publisher's own code takes it."""
        if isinstance(getattr(spec, "block", None), AntiAliasedBottleneck):
            return 96  # its two branches give maps of different sizes where one is odd
        if isinstance(spec.stem, PoollessStem):
            return 161
        return ODD_SIZE if self.preprocess.crop > 64 else 33


def planned(manifest: Manifest = MANIFEST) -> dict[Network, Comparison]:
    """All comparisons, those that take longest first: so that of two processes neither waits at the end."""
    plan: dict[Network, Comparison] = {}
    for checkpoint in manifest.checkpoints.values():
        if judge := judge_of(checkpoint):
            for file in checkpoint.files:
                comparison = plan.setdefault(_network_of(checkpoint, file), Comparison())
                names = comparison.judges.setdefault(judge, [])
                names.extend({checkpoint.name} - {*names})
                comparison.files.setdefault((file.layout, file.format), checkpoint.preprocess)
    return dict(sorted(plan.items(), key=lambda item: -cost(*item)))


def _network_of(checkpoint: Checkpoint, file: CheckpointFile) -> Network:
    architecture = checkpoint.architecture
    return Network(architecture.key, architecture.spec.classes, _KEYS_OF.get(file.layout, file.layout))


def cost(network: Network, comparison: Comparison) -> int:
    return network.spec.multiply_adds(comparison.preprocess.crop)


def parts(network: Network, comparison: Comparison) -> set[str]:
    """All that this comparison is the judge of, whatever the widths and depths."""
    return parts_of(network.spec) | {word for file in comparison.files for word in file}


PLAN = planned()
DEFAULT = [
    network for network, _ in cheapest(PLAN.items(), lambda item: parts(*item), lambda item: cost(*item))
]
"""The cheapest network of each part, which the default run compares."""


def buildable(manifest: Manifest = MANIFEST) -> dict[str, set[str]]:
    """Package -> checkpoints whose network it builds under the publisher's name, by its own list."""
    import timm
    from pytorchcv.model_provider import _models

    known = {
        "timm": {*timm.list_models()},
        "pretrainedmodels": {*Judge.pretrainedmodels().model_names},
        "pytorchcv": {*_models},
    }
    found: dict[str, set[str]] = {package: set() for package in known}
    for checkpoint in manifest.checkpoints.values():
        for alias in checkpoint.aliases:
            publisher, _, name = alias.partition("/")
            package = _PACKAGES.get(publisher)
            builder = name.partition("_" if publisher == "mmpretrain" else ".")[0]
            if package and builder in known[package]:
                found[package].add(checkpoint.name)
    return found


def missing(compared: dict[str, set[str]]) -> dict[str, set[str]]:
    """Package -> checkpoints that it builds and that were not compared with it."""
    return {
        package: left
        for package, names in buildable().items()
        if (left := names - compared.get(package, set()))
    }


def summary(compared: dict[str, set[str]]) -> list[str]:
    """A line for each package: how many entries were compared with its networks, and how many it builds."""
    counts = Counter({package: len(names) for package, names in compared.items()})
    expected = buildable()
    return [
        f"{package:<18} {counts[package]:>3} entries compared"
        + (f", of {len(expected[package])} that it builds" if package in expected else "")
        for package in sorted({*counts, *expected})
    ]
