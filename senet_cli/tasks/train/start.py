"""What a run starts from: an architecture, the weights of a model, and models that it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from senet_cli.catalogue.entries import Architecture, Preprocess
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.datasets.names import normal
from senet_cli.errors import UsageError, advise
from senet_cli.events import SILENCE
from senet_cli.inference.models import RunnableModel, load_torch_network
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import resolve_runtime
from senet_cli.inference.start import start_engine
from senet_cli.nets.network import SENetwork, build_network
from senet_cli.settings import Settings
from senet_cli.tasks.train.begun import Begun
from senet_cli.tasks.train.recipe import TrainingRecipe
from senet_cli.tasks.train.teachers import Teachers


@dataclass(frozen=True, slots=True)
class Start:
    """The first weights of a run.

    Args:
        architecture: with the preprocessing that the run uses.
        model: whose weights come first, if any.
    """

    architecture: Architecture
    model: RunnableModel | None

    @classmethod
    def choose(cls, begun: Begun, resolver: Resolver) -> Start:
        """Find what the user asked for.

        Raises:
            SenetError: no such model or architecture, or it has fewer stages than are to be frozen.
        """
        if begun.origin is None:
            architecture = resolver.catalogue.architecture(str(begun.architecture))
            if not begun.se:
                architecture = replace(
                    architecture, key=f"{architecture.key}-plain", spec=architecture.spec.without_se()
                )
            return cls(architecture, None)
        model = resolver.choose(ModelRef.parse(begun.origin))
        stages = len(model.architecture.spec.depths)
        if (begun.recipe.freeze or 0) > stages:
            raise UsageError(f"`{model.name}` has {stages} stages", advise("freeze-fewer", stages=stages))
        return cls(replace(model.architecture, preprocess=model.preprocess), model)

    @property
    def digest(self) -> str:
        """SHA-256 of the model's weights; empty for random ones."""
        return self.model.start.sha256 if self.model else ""

    def keeps_head(self, labels: LabelSet) -> bool:
        """Return True if the model's own head fits these classes."""
        return self.model is not None and _same_classes(self.model.labels, labels)

    def network(self, labels: LabelSet) -> SENetwork:
        """Set the first weights: random, or a model's, whose head stays only if its classes are the same."""
        fresh = build_network(self.architecture.spec.with_classes(len(labels)))
        if self.model is None:
            return fresh
        trained = load_torch_network(self.model)
        if not self.keeps_head(labels):
            trained.head, trained.spec = fresh.head, fresh.spec
        return trained.train()


def lasting_name(name: str, resolver: Resolver) -> str:
    """Write a model's name so that it means the same from any folder: its full name, or its absolute path.

    Raises:
        UnknownModelError: there is no such model.
    """
    ref = ModelRef.parse(name)
    known = resolver.catalogue.resolve(ref)
    named = not ref.folder_only and resolver.catalogue.manifest.knows(ref.text)
    return known.name if named or known.folder is None else str(known.folder.absolute())


def choose_teacher(name: str, preprocess: Preprocess, labels: LabelSet, resolver: Resolver) -> RunnableModel:
    """Choose a model that sees what the network sees and has an answer for each of its classes.

    Raises:
        SenetError: no such model, or its classes or its input size are others.
    """
    model = resolver.choose(ModelRef.parse(name))
    if not _same_classes(model.labels, labels):
        raise UsageError(
            f"the classes of `{name}` are not those of the images",
            "Teacher and student need the same classes.",
        )
    if model.preprocess.crop != preprocess.crop:
        raise UsageError(
            f"`{name}` sees {model.preprocess.crop}x{model.preprocess.crop} pixels, "
            f"the network that learns {preprocess.crop}x{preprocess.crop}",
            "Teacher and student need the same input size.",
        )
    return model


def start_teachers(
    models: Sequence[RunnableModel], recipe: TrainingRecipe, device: str, threads: int, settings: Settings
) -> Teachers:
    """Start teachers as they run for `senet predict`, which is faster than a network that is trained."""
    if not models:
        return Teachers()
    runtime = resolve_runtime("auto", device, recipe.precision, latency=True, threads=threads)
    engines = [start_engine(model, runtime, settings, SILENCE)[0] for model in models]
    names = [f"{model.name} {model.start.sha256}" for model in models]
    return Teachers(engines, names, mirror=recipe.augment != "none")


def _same_classes(one: LabelSet, other: LabelSet) -> bool:
    return list(map(normal, one.labels)) == list(map(normal, other.labels))
