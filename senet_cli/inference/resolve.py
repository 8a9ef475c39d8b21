"""From the model that was asked for to one that can be loaded: found, downloaded, verified."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from senet_cli.catalogue.activation import Activation
from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.labels import check_labels
from senet_cli.catalogue.resolve import Catalogue, KnownModel, ModelRef
from senet_cli.errors import CheckpointError, DiskError, NetworkError, SenetError, advise
from senet_cli.events import SILENCE, BundledModelUsed, Reporter, UnfinishedRunUsed
from senet_cli.inference.conversions import conversion_key, find_conversion
from senet_cli.inference.models import FromConversion, FromFile, RunnableModel, Start
from senet_cli.inference.runtime import Runtime
from senet_cli.settings import BUNDLED_MODEL, DEFAULT_MODEL, Settings
from senet_cli.store.cache import Cache
from senet_cli.store.files import digest_of
from senet_cli.store.model_folders import STATE_FILE, progress_of

_PATIENCE = 4.0
"""Seconds in which some host must answer before the model that comes with the package is used."""


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """A file of weights that no manifest describes.

    Args:
        path: the file.
        architecture: its architecture key.
        weights_key: which of several sets of weights in the file; None: the preferred one.
        activation: what turns the network's outputs into scores.
    """

    path: Path
    architecture: str
    weights_key: str | None = None
    activation: Activation = "softmax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Finds models for one command.

    Args:
        settings: where things lie and what is allowed.
        catalogue: every known model, loaded once.
        reporter: hears of downloads.
    """

    settings: Settings
    catalogue: Catalogue
    reporter: Reporter = SILENCE

    @classmethod
    def load(cls, settings: Settings, reporter: Reporter = SILENCE) -> Resolver:
        """Load the catalogue that the settings name.

        Raises:
            ManifestError: a rule is broken; the message names file, entry and field.
            DiskError: a file cannot be read.
        """
        return cls(settings=settings, catalogue=Catalogue.load(settings), reporter=reporter)

    def choose(
        self,
        asked: ModelRef | OwnWeights | None,
        *,
        runtime: Runtime | None = None,
        size: InputSize = USUAL_SIZE,
        fallback: bool = True,
    ) -> RunnableModel:
        """Find the model to use: the one that is asked for, else `SENET_MODEL`, else the default.

        Only the default at its usual size may fall back to the model that comes with the package: a size for
        the one would be nonsense for the other.

        Raises:
            SenetError: it is unknown, cannot be had, is not the published bytes, or does not have this size.
        """
        if isinstance(asked, OwnWeights):
            return self.own_weights(asked, size)
        if asked is None and self.settings.model:
            asked = ModelRef.parse(self.settings.model)
        if asked is not None:
            return self.ready(self.catalogue.resolve(asked), runtime=runtime, size=size)
        if not fallback or size != USUAL_SIZE:
            return self.ready(self.catalogue.resolve(DEFAULT_MODEL), runtime=runtime, size=size)
        return self._default_or_bundled(runtime)

    def ready(
        self, known: KnownModel, *, runtime: Runtime | None = None, size: InputSize = USUAL_SIZE
    ) -> RunnableModel:
        """Make a known model ready: downloaded and verified, unless a conversion makes that unnecessary.

        Args:
            known: the model.
            runtime: what it will run on; None: the file of weights is needed itself.
            size: the size at which it sees images.

        Raises:
            SenetError: it cannot be had, is not the published bytes, or does not have this size.
        """
        check_labels(known.labels, known.checkpoint.architecture.spec.classes)
        if unfinished := unfinished_run(known):
            self.reporter.report(unfinished)
        preprocess = size.of_checkpoint(known.checkpoint)
        if conversion := self._conversion(known, preprocess, runtime):
            return _runnable(known, preprocess, conversion)
        _check_layouts(known)
        installed = Cache.from_settings(self.settings).use(known.checkpoint)
        if installed is None:
            from senet_cli.store.install import ensure_installed  # what downloads takes time to import

            installed = ensure_installed(known.checkpoint, self.settings, self.reporter)
        start = FromFile(installed.path, installed.sha256, installed.file.layout)
        return _runnable(known, preprocess, start)

    def own_weights(self, own: OwnWeights, size: InputSize = USUAL_SIZE) -> RunnableModel:
        """Take a file of weights with the usual preprocessing and labels of its architecture.

        A .caffemodel gets the normalisation that Caffe's networks share.

        Raises:
            UnknownModelError: no such architecture.
            UsageError: a size that it does not have.
            CheckpointError: the file is a published one, and of another architecture.
            DiskError: the file cannot be read.
        """
        from senet_cli.weights.publishers.caffe import holds_caffemodel, with_caffe_numbers

        architecture = self.catalogue.architecture(own.architecture)
        preprocess = size.of_architecture(architecture)
        if os.path.isdir(own.path):  # noqa: PTH112 - False where one may not look
            from senet_cli.weights.formats import check_folder

            check_folder(own.path)
        sha256 = digest_of(own.path)
        owners = self.catalogue.manifest.published_as(sha256)
        if owners and all(owner.architecture.key != own.architecture for owner in owners):
            owner = owners[0]
            raise CheckpointError(
                f"`{own.path}` is `{owner.name}`, by its SHA-256: "
                f"a `{owner.architecture.key}`, not a `{own.architecture}`",
                advise("install-as", name=owner.name, path=own.path),
            )
        return RunnableModel(
            name=own.path.name,
            start=FromFile(own.path, sha256, None, own.weights_key),
            architecture=architecture,
            preprocess=with_caffe_numbers(preprocess) if holds_caffemodel(own.path) else preprocess,
            labels=self.catalogue.manifest.labels_of(architecture),
            activation=own.activation,
        )

    def _default_or_bundled(self, runtime: Runtime | None) -> RunnableModel:
        """Get the default model; a host that does not answer is given a few seconds only."""
        known = self.catalogue.resolve(DEFAULT_MODEL)
        preprocess = known.checkpoint.preprocess
        if conversion := self._conversion(known, preprocess, runtime):
            return _runnable(known, preprocess, conversion)
        from senet_cli.store.install import check_answers

        try:
            check_answers(known.checkpoint, self.settings, _PATIENCE)
            return self.ready(known)
        except (NetworkError, DiskError) as error:
            return self._bundled(known, error, runtime)

    def _bundled(self, default: KnownModel, error: SenetError, runtime: Runtime | None) -> RunnableModel:
        model = self.ready(self.catalogue.resolve(BUNDLED_MODEL), runtime=runtime)
        self.reporter.report(BundledModelUsed(model.name, model.labels.labels, default.name, error))
        return model

    def _conversion(
        self, known: KnownModel, preprocess: Preprocess, runtime: Runtime | None
    ) -> FromConversion | None:
        """Find what makes the model's file unnecessary, if the runtime uses conversions and there is one."""
        if runtime is None or runtime.engine != "openvino":
            return None
        spec = known.checkpoint.architecture.spec
        for sha256 in dict.fromkeys(Cache.from_settings(self.settings).digests(known.checkpoint)):
            for file in known.checkpoint.files:
                if file.path is not None or file.digest.excludes(sha256):
                    continue
                key = conversion_key(sha256, file.layout, spec, preprocess)
                if conversion := find_conversion(key, self.settings):
                    return conversion
        return None


def unfinished_run(known: KnownModel) -> UnfinishedRunUsed | None:
    """Find what is to be said of a model whose run is not finished; None of any other."""
    folder, done = known.folder, progress_of(known.checkpoint)
    if folder is None or done is None:
        return None
    goes_on = os.path.exists(folder / STATE_FILE)  # noqa: PTH110 - False where one may not look
    return UnfinishedRunUsed(known.name, folder if goes_on else None, *done)


def _check_layouts(known: KnownModel) -> None:
    """Find what is wrong in a manifest before anything is downloaded."""
    from senet_cli.weights.publishers import find_layout

    for file in known.checkpoint.files:
        find_layout(file.layout)


def _runnable(known: KnownModel, preprocess: Preprocess, start: Start) -> RunnableModel:
    checkpoint = known.checkpoint
    return RunnableModel(
        name=checkpoint.name,
        start=start,
        architecture=checkpoint.architecture,
        preprocess=preprocess,
        labels=known.labels,
        metric=checkpoint.metric_with(preprocess),
        folder=known.folder,
        activation=checkpoint.activation,
    )
