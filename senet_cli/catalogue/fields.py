"""Reading JSON objects field by field: typed values out, or an error that names file, entry and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from senet_cli.errors import DiskError, ManifestError

T = TypeVar("T")
_SHOWN = 80
"""Characters of a value or name that messages show."""


def read_json(path: Path) -> Fields:
    """Read the object in a JSON file.

    Raises:
        ManifestError: not JSON, not an object, or a key given twice.
        DiskError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"`{path}` is not UTF-8 text: {error}") from error

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in pairs:
            if key in data:
                raise ManifestError(f"`{path}`: the key `{key}` is given twice in one object")
            data[key] = value
        return data

    try:
        data = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"`{path}` is not valid JSON: {error}") from error
    return Fields(data, f"`{path}`")


class Fields:
    """One JSON object being read. Each field is taken once; what is left at the end is an error.

    Args:
        data: the parsed value.
        where: file and path of the object, for messages.

    Raises:
        ManifestError: from every method, for a value of the wrong kind.
    """

    def __init__(self, data: object, where: str) -> None:
        self.where = where
        if not isinstance(data, dict):
            self.fail(f"expected an object, got {_kind(data)}")
        self._data: dict[str, Any] = dict(data)

    def fail(self, problem: str) -> NoReturn:
        """Raise with the place of this object."""
        raise ManifestError(f"{self.where}: {problem}")

    def left(self) -> tuple[str, ...]:
        """List the fields that were not taken yet."""
        return tuple(self._data)

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def take(self, name: str, default: Any = ...) -> Any:
        """Take the raw value, once."""
        if name in self._data:
            return self._data.pop(name)
        if default is ...:
            self.fail(f"the field `{name}` is missing")
        return default

    def text(self, name: str, default: Any = ...) -> str:
        """Take a string that is not empty."""
        value = self.take(name, default)
        if value is not default and (not isinstance(value, str) or not value):
            self.fail(f"`{name}` must be a text, not {_kind(value)}")
        return str(value)

    def integer(self, name: str, low: int, high: int, default: Any = ...) -> int:
        """Take a whole number within `low`..`high`."""
        value = self.take(name, default)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not default and not (whole and low <= value <= high):
            self.fail(f"`{name}` must be a whole number from {low} to {high}, not {_kind(value)}")
        return value  # type: ignore[no-any-return]

    def number(self, name: str, low: float, high: float, default: Any = ...) -> float:
        """Take a number within `low`..`high`."""
        value = self.take(name, default)
        if value is not default and not _is_number(value, low, high):
            self.fail(f"`{name}` must be a number from {low:g} to {high:g}, not {_kind(value)}")
        return value  # type: ignore[no-any-return]

    def flag(self, name: str, default: Any = ...) -> bool:
        """Take true or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            self.fail(f"`{name}` must be true or false, not {_kind(value)}")
        return value

    def choice(self, name: str, options: tuple[T, ...], default: Any = ...) -> T:
        """Take one of `options`."""
        value = self.take(name, default)
        same = any(value == option and type(value) is type(option) for option in options)
        if value is not default and not same:
            allowed = ", ".join(map(str, options))
            self.fail(f"`{name}` is {_kind(value)}; it must be one of {allowed}")
        return value  # type: ignore[no-any-return]

    def items(self, name: str, default: Any = ...) -> list[Any]:
        """Take an array."""
        value = self.take(name, default)
        if not isinstance(value, list):
            self.fail(f"`{name}` must be an array, not {_kind(value)}")
        return value

    def texts(self, name: str, default: Any = ...) -> tuple[str, ...]:
        """Take an array of strings."""
        values = self.items(name, default)
        for value in values:
            if not isinstance(value, str) or not value:
                self.fail(f"`{name}` must hold texts, not {_kind(value)}")
        return tuple(values)

    def integers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """Take an array of whole numbers within `low`..`high`."""
        values = self.items(name)
        for value in values:
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                self.fail(f"`{name}` must hold whole numbers from {low} to {high}, not {_kind(value)}")
        return tuple(values)

    def triple(self, name: str, low: float, high: float) -> tuple[float, float, float]:
        """Take three numbers within `low`..`high`."""
        values = self.items(name)
        if len(values) != 3 or not all(_is_number(value, low, high) for value in values):
            self.fail(f"`{name}` must hold three numbers from {low:g} to {high:g}")
        red, green, blue = map(float, values)
        return red, green, blue

    def child(self, name: str) -> Fields:
        """Take an object within this one."""
        return Fields(self.take(name), f"{self.where}: {name[:_SHOWN]}")

    def optional_child(self, name: str) -> Fields | None:
        """Take an object within this one, or None where the field is null or not there."""
        if self._data.get(name) is None:
            self.take(name, None)
            return None
        return self.child(name)

    def unread(self, name: str) -> dict[str, Callable[[], Fields]]:
        """Take the objects within an object, by key, each still to be read; none if the field is missing."""
        if name not in self:
            return {}
        child = self.child(name)
        return {
            key: partial(Fields, value, f"{child.where}: {key[:_SHOWN]}")
            for key, value in child._data.items()
        }

    def each(self, name: str, parse: Callable[[Fields], T], default: Any = ...) -> tuple[T, ...]:
        """Take an array of objects and parse each."""
        values = self.items(name, default)
        parsed = []
        for number, value in enumerate(values):
            fields = Fields(value, f"{self.where}: {name}[{number}]")
            parsed.append(parse(fields))
            fields.done()
        return tuple(parsed)

    def done(self) -> None:
        """Fail if a field was not taken: nothing in a manifest is silently ignored."""
        if self._data:
            names = ", ".join(f"`{name[:_SHOWN]}`" for name in sorted(self._data)[:5])
            self.fail(f"unknown field {names}")


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _kind(value: object) -> str:
    try:
        text = json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__} beyond words"
    return f"`{text[:_SHOWN]}...`" if len(text) > _SHOWN else f"`{text}`"
