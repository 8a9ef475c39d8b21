"""A cheap selection that touches every part: what the default run compares where all of it takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from senet_cli.specs import Block, InceptionSpec, PreActivation, Spec

T = TypeVar("T")


def parts_of(spec: Spec) -> set[str]:
    """What a network is made of, whatever the widths and depths."""
    if isinstance(spec, InceptionSpec):
        return {"InceptionSpec", _kind(spec.pool), _kind(spec.se)}
    values = [spec.stem, spec.pool, spec.shortcut, spec.se, *_blocks(spec.block)]
    return {*map(_kind, values)}


def cheapest(items: Iterable[T], parts: Callable[[T], set[str]], cost: Callable[[T], float]) -> list[T]:
    """For every part the item that costs least."""
    by_cost = sorted(items, key=cost)
    chosen: list[T] = []
    for part in sorted({part for item in by_cost for part in parts(item)}):
        if not any(part in parts(item) for item in chosen):
            chosen.append(next(item for item in by_cost if part in parts(item)))
    return chosen


def _blocks(block: Block) -> list[object]:
    """A block, and the one that it is made of."""
    return [block, block.block] if isinstance(block, PreActivation) else [block]


def _kind(part: object) -> str:
    """A part with all that is no number of channels or groups."""
    wide = {"channels", "base_width", "block"}
    values = {name: getattr(part, name) for name in getattr(part, "__slots__", ()) if name not in wide}
    if "cardinality" in values:
        values["cardinality"] = values["cardinality"] > 1
    return f"{type(part).__name__} {values}"
