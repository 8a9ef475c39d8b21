"""What a run was begun with, kept in its folder, so that it goes on without being told again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from senet_cli.errors import UsageError, advise
from senet_cli.inference.processors import automatic_jobs, processors
from senet_cli.tasks.train.recipe import TrainingOptions, TrainingRecipe

_RECIPE_FIELDS = tuple(each.name for each in fields(TrainingOptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What to train; None where the user does not say.

    Args:
        output: folder of the run.
        data: folder or tar.
        recipe: the numbers, as far as the user says them.
        architecture: key, None with `origin`.
        origin: checkpoint or run to start from, None to start from random weights.
        teachers: checkpoints or runs whose answers are learned from too.
        se: False for the plain twin.
        resume: True to go on with the run in `output`, if one was begun: what is not said is as it was.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        jobs: decoding processes, for large images.
        threads: processors that the network calculates with; None: all that this process may use.
        parts: False if all folders of the data are classes, also those that are named like parts.
        empty_classes: True to train although no image of some class can be read.
        command: what the user typed, for the record of how the run was made.
    """

    output: Path
    data: Path | None = None
    recipe: TrainingOptions = field(default_factory=TrainingOptions)
    architecture: str | None = None
    origin: str | None = None
    teachers: tuple[str, ...] | None = None
    se: bool | None = None
    resume: bool = False
    device: str = "auto"
    jobs: int | None = None
    threads: int | None = None
    parts: bool | None = None
    empty_classes: bool | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a run was begun with.

    Args:
        data: folder or tar.
        recipe: the numbers; all of them in a run that was begun.
        architecture, origin, teachers, se, jobs, parts, empty_classes, command: as in `TrainRequest`.
        manifest: where the models and architectures were looked up, beside the usual ones.
    """

    data: Path
    recipe: TrainingOptions
    architecture: str | None
    origin: str | None
    teachers: tuple[str, ...]
    se: bool
    jobs: int
    parts: bool
    empty_classes: bool
    command: tuple[str, ...]
    manifest: Path | None

    @classmethod
    def of(
        cls, request: TrainRequest, earlier: Begun | None, manifest: Path | None, device: str = "cpu"
    ) -> Begun:
        """Complete a request by what the run was begun with, and by the usual.

        Args:
            request: what the user says now.
            earlier: how the run was begun; None for a new run.
            manifest: the user's own, now.
            device: a resolved device; a CPU is shared between decoding and the network, which is slower.

        Raises:
            UsageError: neither says what to train on, or what to start from.
        """
        data = request.data or (earlier.data if earlier else None)
        said = request.architecture is not None or request.origin is not None
        if data is None or not (said or earlier):
            raise UsageError(f"`{request.output}` holds no run to go on with", advise("begin-run"))
        start = request if said or earlier is None else earlier
        return cls(
            data=_absolute(data),
            recipe=request.recipe.over(earlier.recipe) if earlier else request.recipe,
            architecture=start.architecture,
            origin=start.origin,
            teachers=_first(request.teachers, earlier and earlier.teachers, ()),
            se=_first(request.se, earlier and earlier.se, True),
            jobs=_first(request.jobs, earlier and earlier.jobs, _jobs(device)),
            parts=_first(request.parts, earlier and earlier.parts, True),
            empty_classes=_first(request.empty_classes, earlier and earlier.empty_classes, False),
            command=earlier.command if earlier else request.command,
            manifest=_absolute(manifest) if manifest else earlier.manifest if earlier else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what is written beside the numbers of the recipe and the command."""
        return {
            "data": os.fspath(self.data),
            "architecture": self.architecture,
            "origin": self.origin,
            "teachers": list(self.teachers),
            "se": self.se,
            "jobs": self.jobs,
            "parts": self.parts,
            "empty_classes": self.empty_classes,
            "manifest": os.fspath(self.manifest) if self.manifest else None,
        }

    @classmethod
    def read(cls, recipe: Mapping[str, Any]) -> Begun | None:
        """Read what `RunFolder.save_recipe` wrote; None where an older version wrote it.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        said = recipe.get("begun_with")
        if said is None:
            return None
        manifest = said["manifest"]
        return cls(
            data=Path(said["data"]),
            recipe=_options(numbers_of(recipe)),
            architecture=said["architecture"],
            origin=said["origin"],
            teachers=tuple(said["teachers"]),
            se=bool(said["se"]),
            jobs=int(said["jobs"]),
            parts=bool(said["parts"]),
            empty_classes=bool(said["empty_classes"]),
            command=tuple(recipe["command"]),
            manifest=Path(manifest) if manifest else None,
        )


def numbers_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fields of a `TrainingRecipe` from the record of a run, whichever version wrote it.

    Args:
        recipe: what `RunFolder.save_recipe` wrote; of what an older version did not know, the defaults say
            how it trained.
    """
    known = {each.name: recipe[each.name] for each in fields(TrainingRecipe) if each.name in recipe}
    if not {"epochs", "batch_size", "rate"} <= known.keys():
        return known
    defaults = {each.name: each.default for each in fields(TrainingRecipe) if each.default is not MISSING}
    return defaults | known


def with_numbers(request: TrainRequest, recipe: Mapping[str, Any]) -> TrainRequest:
    """Complete a request by the numbers of a run that an older version began, which kept no more of it.

    Args:
        request: what the user says now.
        recipe: as for `numbers_of`; empty where there is no run.
    """
    numbers = numbers_of(recipe)
    if not numbers:
        return request
    said = request.recipe.over(_options(numbers))
    return replace(request, recipe=said, jobs=request.jobs or recipe.get("workers") or None)


def _options(numbers: Mapping[str, Any]) -> TrainingOptions:
    return TrainingOptions(**{name: numbers[name] for name in _RECIPE_FIELDS if name in numbers})


def _jobs(device: str) -> int:
    return max(1, processors() // 2) if device == "cpu" else automatic_jobs()


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _absolute(path: Path) -> Path:
    """Make a path that means the same from any folder; links in it stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - which pathlib does not normalise
