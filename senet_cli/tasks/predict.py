"""Classify images: from sources to records."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.resolve import Catalogue, ModelRef
from senet_cli.errors import ImageError, NothingToClassifyError
from senet_cli.events import ClassesMeant, Reporter
from senet_cli.images.patterns import is_pattern
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.inference.records import ImageFailure, ImageResult, Record
from senet_cli.inference.resolve import OwnWeights, Resolver
from senet_cli.inference.runtime import ComputeOptions
from senet_cli.settings import DEFAULT_MODEL, Settings
from senet_cli.tasks.loading import load_predictor

if TYPE_CHECKING:
    from senet_cli.inference.predictor import Predictor
    from senet_cli.output.journal import Journal


_SHOWN = 3
"""Sources that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """What to classify, and how.

    Args:
        sources: the images.
        model: the model; None: `SENET_MODEL`, else the default.
        fallback: False where the default must not be replaced by the model that comes with the package.
        size: at which size the network sees images.
        compute: where and how the network runs.
        top_k: predictions for each image.
        min_score: predictions under this probability, 0..1, are left out.
        only: words for the classes that are wanted; see `find_wanted`. Empty: all are.
    """

    sources: SourceRequest
    model: ModelRef | OwnWeights | None = None
    fallback: bool = True
    size: InputSize = USUAL_SIZE
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    top_k: int = 5
    min_score: float = 0.0
    only: tuple[str, ...] = ()

    def facts(self) -> dict[str, str]:
        """State what decides the records besides the model, by what people call it."""
        own = self.model.weights_key if isinstance(self.model, OwnWeights) else None
        return {
            "set of weights": own or "the usual one",
            "number of predictions": str(self.top_k),
            "lowest score": repr(float(self.min_score)).removesuffix(".0"),
            "set of wanted classes": ", ".join(self.only) or "all",
        }


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the records of a run are kept.

    Args:
        journal: of the file that they are written to.
        facts: what decides how they are written, by what people call it.
    """

    journal: Journal
    facts: Mapping[str, str]


def predict(
    request: PredictRequest, settings: Settings, reporter: Reporter, recorded: Recorded | None = None
) -> Generator[Record, None, None]:
    """Load the model, then give one record for each image, in order, as soon as it is known.

    Args:
        request: what to classify, and how.
        settings: where things lie and what is allowed.
        reporter: hears how the model is prepared.
        recorded: where records are kept, those of an earlier run too: their images get none here.

    Raises:
        NothingToClassifyError: the sources hold no image.
        UsageError: the earlier run had another model, other options or other images; a word means no class.
        SenetError: the model cannot be had or loaded.
    """
    sources = _at_least_one(request.sources)
    if recorded is None and not request.only and (absent := _absent(request.sources)):
        return _failures(absent, _name_of(request.model, settings))
    runtime = request.compute.resolve(latency=request.sources.single)
    resolver = Resolver.load(settings, reporter)
    _check_words(request, resolver)
    model = resolver.choose(request.model, runtime=runtime, size=request.size, fallback=request.fallback)
    loaded: tuple[Predictor, int] | None = None
    # PyTorch's last digits depend on which images share a batch
    together = recorded is not None and runtime.engine == "torch" and request.sources.repeatable
    if recorded is not None:
        from senet_cli.tasks.resume import begin, facts_of, go_on

        if together:
            loaded = load_predictor(model, runtime, request.compute, settings, reporter)
        batch = loaded[1] if loaded else None
        facts = facts_of(model, runtime, batch) | request.facts() | dict(recorded.facts)
        begin(recorded.journal, facts, request.sources)
        sources = go_on(recorded.journal, request.sources, sources, reporter, batch)
        if (first := next(sources, None)) is None:
            return _nothing()
        sources = itertools.chain([first], sources)
    predictor, batch_size = loaded or load_predictor(model, runtime, request.compute, settings, reporter)

    from senet_cli.inference.pipeline import RunOptions, classify  # after Pillow, which it imports

    options = RunOptions(request.top_k, request.min_score, batch_size, request.compute.jobs, together)
    records = classify(sources, predictor, options)
    return _marked(records, _wanted(request.only, predictor, reporter)) if request.only else records


def _check_words(request: PredictRequest, resolver: Resolver) -> None:
    """Find words that mean nothing before a model that was named is fetched.

    Raises:
        UsageError: one does not.
    """
    named = request.model or (ModelRef.parse(name) if (name := resolver.settings.model) else None)
    if request.only and isinstance(named, ModelRef):
        from senet_cli.datasets.wanted import find_wanted

        find_wanted(request.only, resolver.catalogue.resolve(named).labels)


def _wanted(words: tuple[str, ...], predictor: Predictor, reporter: Reporter) -> frozenset[int]:
    from senet_cli.datasets.wanted import find_wanted

    meanings = find_wanted(words, predictor.labels)
    for meaning in meanings:
        if not meaning.by_name or len(meaning.indices) > 1:
            labels = tuple(predictor.labels.labels[index] for index in meaning.indices)
            reporter.report(ClassesMeant(meaning.word, labels))
    return frozenset(index for meaning in meanings for index in meaning.indices)


def _marked(records: Generator[Record, None, None], wanted: frozenset[int]) -> Generator[Record, None, None]:
    """Mark the records whose class is not among those that are wanted; they stay in their places."""
    with contextlib.closing(records):
        for record in records:
            if isinstance(record, ImageResult):
                first = record.predictions[0].index if record.predictions else None
                yield record if first in wanted else replace(record, wanted=False)
            else:
                yield record


def _absent(request: SourceRequest) -> list[Source]:
    """List all sources if they are plain names and no file has any of them: that needs no model."""
    if request.list_file is not None or not request.repeatable:
        return []
    if any(is_pattern(name) or os.path.lexists(name) for name in request.arguments):
        return []
    return [Source.named(name) for name in request.arguments]


def _name_of(asked: ModelRef | OwnWeights | None, settings: Settings) -> str:
    if isinstance(asked, OwnWeights):
        return asked.path.name
    ref = asked or (ModelRef.parse(settings.model) if settings.model else DEFAULT_MODEL)
    return Catalogue.load(settings).resolve(ref).checkpoint.name


def _failures(sources: list[Source], model: str) -> Generator[Record, None, None]:
    for source in sources:
        try:
            source.open().close()
        except ImageError as error:
            yield ImageFailure(source.name, model, error.kind, error.message)
        else:  # it appeared just now
            yield ImageFailure(source.name, model, "missing", "no such file when the run began")


def _nothing() -> Generator[Record, None, None]:
    yield from ()


def _at_least_one(request: SourceRequest) -> Iterator[Source]:
    """Make sure, before a model is fetched, that the stream holds something; return it."""
    stream = request.stream()
    unmatched: list[Source] = []
    for source in stream:
        if not source.unmatched:
            return itertools.chain(unmatched, [source], stream)
        unmatched.append(source)
    skipped = request.skipped
    seen = [f"not read: {count:,} {kind}" for kind, count in skipped.kinds.items()]
    if skipped.others:
        seen.append(f"{skipped.others} files there have no image extension")
    hint = "Give files, folders or patterns that hold images."
    if skipped.others:
        hint = "A file named explicitly is tried whatever its extension."
    if "HEIC" in skipped.kinds:
        hint = "`pip install 'senet[heic]'` brings what reads HEIC."
    told = f" ({', '.join(seen)})" if seen else ""
    names = [f"`{name}`" for name in request.arguments[:_SHOWN]]
    where = f" in {', '.join(names)}{' ...' * (len(request.arguments) > _SHOWN)}" if names else ""
    raise NothingToClassifyError(f"no images were found{where}{told}", hint)
