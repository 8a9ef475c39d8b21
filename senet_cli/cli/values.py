"""Values of options and arguments: read here rather than by Typer's validation library.

That takes a third of the time in which a light command starts, and says what is wrong as a programmer would.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from typer import BadParameter, Context


class Takes(NamedTuple):
    """What a parameter takes.

    Args:
        kind: str, int, float, Path, or Any for a choice.
        choices: all values there are; empty where they cannot be listed.
        least, most: bounds of a number.
    """

    kind: Any
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def metavar(self) -> str:
        """What stands for a value in help."""
        return "|".join(self.choices) or {int: "N", float: "X", Path: "FILE"}.get(self.kind, "TEXT")

    @property
    def words(self) -> str:
        """Say what it takes, as in "a whole number from 1 on"."""
        if self.choices:
            return " or ".join(filter(None, [", ".join(self.choices[:-1]), self.choices[-1]]))
        number = "a whole number" if self.kind is int else "a number"
        if self.least is None:
            return number if self.most is None else f"{number} up to {self.most}"
        return f"{number} from {self.least} {'on' if self.most is None else f'to {self.most}'}"

    def read(self, value: object) -> Any:
        """Read a value from the command line or a variable; a default has its type already.

        Raises:
            ValueError: it is not one of those that are taken.
        """
        if self.choices:
            if value not in self.choices:
                raise ValueError
            return value
        if self.kind is bool:  # a flag; no variable sets one
            return bool(value)
        if self.kind not in {int, float}:
            return value if isinstance(value, self.kind) else self.kind(value)
        number = self.kind(value)
        least, most = self.least, self.most
        if not (least is None or number >= least) or not (most is None or number <= most):  # also NaN
            raise ValueError
        return number


def takes(parameter: Any) -> Takes:
    """Find out what a parameter takes, from its annotation; for a list, what each of its values is."""
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    if parameter.type_descriptor.is_choice:
        return Takes(Any, tuple(map(str, parameter.type_descriptor.choices)))
    return Takes(annotation, (), parameter.min, parameter.max)


def read_ourselves(parameters: Iterable[Any]) -> None:
    """Have these parameters read their values with `Takes`."""
    for parameter in parameters:
        parameter.process_value = partial(_process, parameter)


def _process(parameter: Any, context: Context, value: Any) -> Any:
    several = parameter.multiple or parameter.nargs == -1
    if value is None:
        value = () if several else None
    else:
        taken = takes(parameter)
        value = [_read(taken, item) for item in value] if several else _read(taken, value)
    if parameter.required and parameter.value_is_missing(value):
        raise BadParameter("is missing", ctx=context, param=parameter)
    return parameter.callback(context, parameter, value) if parameter.callback else value


def _read(taken: Takes, value: object) -> Any:
    try:
        return taken.read(value)
    except ValueError:
        raise BadParameter(f"takes {taken.words}, not `{value}`") from None
