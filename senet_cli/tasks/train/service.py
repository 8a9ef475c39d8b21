"""A whole training run: data and network in, the folder of a finished model out."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch

from senet_cli.datasets.archives import unpacked
from senet_cli.errors import UsageError, advise
from senet_cli.events import Reporter
from senet_cli.images.decode import silence_decoders
from senet_cli.inference.engines.base import resolve_device
from senet_cli.inference.engines.torch import device_facts, threads_to_use
from senet_cli.inference.processors import processors
from senet_cli.inference.resolve import Resolver
from senet_cli.settings import Settings
from senet_cli.tasks.train.begun import Begun, TrainRequest, numbers_of, with_numbers
from senet_cli.tasks.train.data_set import DataSet, Undivided, earlier_record
from senet_cli.tasks.train.folder import RunFolder
from senet_cli.tasks.train.loop import calculates_bf16
from senet_cli.tasks.train.plan import Facts, plan
from senet_cli.tasks.train.recipe import TrainingOptions, TrainingRecipe
from senet_cli.tasks.train.run import Run, Trained
from senet_cli.tasks.train.start import Start, choose_teacher, lasting_name, start_teachers


def train(request: TrainRequest, settings: Settings, reporter: Reporter) -> Trained:
    """Train, and leave a model that `-m <output>` finds.

    Raises:
        SenetError: data, model, options or disk are not as they must be.
    """
    silence_decoders()
    device = resolve_device(request.device, device_facts())
    folder = RunFolder(request.output)
    if folder.used and not request.resume:
        raise UsageError(f"`{request.output}` holds a run already", advise("resume"))
    before, begun_with = (folder.recipe(), folder.begun()) if request.resume else ({}, None)
    if begun_with is None:  # a new run, or one of an older version, which kept the numbers alone
        request = with_numbers(request, before)
    begun = Begun.of(request, begun_with, settings.manifest, device)
    settings = replace(settings, manifest=begun.manifest)
    exact = request.threads is not None
    threads = threads_to_use(request.threads or processors(), exact=exact)
    _calculate_with(threads)
    data_is_folder = os.path.isdir(begun.data)  # noqa: PTH112 - False where one may not look
    if data_is_folder and request.output.resolve().is_relative_to(begun.data.resolve()):
        raise UsageError(f"`{request.output}` lies inside `{begun.data}`", advise("another-folder"))
    given = request.data or begun.data
    with unpacked(given) as data:
        images = Undivided.read(data, given, reporter, parts=begun.parts, empty_classes=begun.empty_classes)
        resolver = Resolver.load(settings, reporter)
        start = Start.choose(begun, resolver)
        preprocess = start.architecture.preprocess
        taught_by = [choose_teacher(name, preprocess, images.labels, resolver) for name in begun.teachers]
        earlier = earlier_record([start.model, *taught_by] if start.model else taught_by, reporter)
        data_set = images.divide(begun.recipe.seed or 0, begun.jobs, earlier, reporter)
        facts = _facts(data_set, start, bf16=calculates_bf16(device))
        recipe = _as_before(plan(facts, begun.recipe), numbers_of(before))
        teachers = start_teachers(taught_by, recipe, device, threads, settings)
        begun = _lasting(begun, resolver)
        folder.prepare()
        with folder.locked():
            return Run(begun, recipe, device, start, teachers, data_set, facts, folder, reporter).go()


def _facts(data: DataSet, start: Start, *, bf16: bool) -> Facts:
    counted = Counter(target for _, target in data.splits.train.images)
    return Facts(
        counts=tuple(counted[number] for number in range(len(data.labels))),
        held_back=len(data.splits.held_back or ()),
        fine_tuning=start.model is not None,
        new_head=not start.keeps_head(data.labels),
        crop=start.architecture.preprocess.crop,
        bf16=bf16,
    )


def _as_before(recipe: TrainingRecipe, numbers: Mapping[str, Any]) -> TrainingRecipe:
    """Take what no user says from the run that goes on: another version may have chosen other numbers."""
    if recipe.optimiser != numbers.get("optimiser"):
        return recipe
    said = {field.name for field in fields(TrainingOptions)}
    return replace(recipe, **{name: value for name, value in numbers.items() if name not in said})


def _calculate_with(threads: int) -> None:
    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # set already, which PyTorch allows once
        torch.set_num_interop_threads(1)


def _lasting(begun: Begun, resolver: Resolver) -> Begun:
    """Name models so that the run can go on from any folder."""
    origin = None if begun.origin is None else lasting_name(begun.origin, resolver)
    return replace(begun, origin=origin, teachers=tuple(lasting_name(n, resolver) for n in begun.teachers))
