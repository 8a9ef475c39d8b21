"""Values that are made when they are asked for: a prediction needs one checkpoint of more than a hundred."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class LazyMapping(Mapping[str, T]):
    """Values by name, each made at its first use.

    Args:
        names: in their order.
        make: name -> value; what it raises comes out of the look-up.
    """

    def __init__(self, names: Iterable[str], make: Callable[[str], T]) -> None:
        self._made: dict[str, T | None] = dict.fromkeys(names)
        self._make = make

    def __getitem__(self, name: str) -> T:
        value = self._made[name]
        if value is None:
            value = self._made[name] = self._make(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def overlaid(base: Mapping[str, T], over: Mapping[str, T]) -> Mapping[str, T]:
    """Combine two mappings; where both have a value, that of `over` counts."""
    return LazyMapping(
        {**dict.fromkeys(base), **dict.fromkeys(over)}, lambda name: (over if name in over else base)[name]
    )
