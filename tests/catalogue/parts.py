"""Every part that a network can have, each with an example: from the manifest, or with its usual numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from senet_cli.catalogue.codec import fields_of, members
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.specs import Spec


def within(value: Any) -> Iterator[Any]:
    """The value and all parts in it."""
    if isinstance(value, tuple):
        for item in value:
            yield from within(item)
    elif is_dataclass(value):
        yield value
        for field in fields(value):
            yield from within(getattr(value, field.name))


@cache
def examples() -> dict[type, Any]:
    """One value of each class of parts."""
    found: dict[type, Any] = {}
    for architecture in load_manifest().architectures.values():
        for part in within(architecture.spec):
            found.setdefault(type(part), part)
    return {kind: found[kind] if kind in found else kind() for kind in reachable(Spec)}


def reachable(kind: Any) -> set[type]:
    """The classes that a structure can be made of, by the annotations of their fields."""
    classes: set[type] = set()
    waiting = [*members(kind)]
    while waiting:
        part = waiting.pop()
        if part not in classes:
            classes.add(part)
            kinds = (getattr(field.form, "kind", None) for field in fields_of(part))
            waiting += [member for each in kinds if each is not None for member in members(each)]
    return classes


PARTS = sorted(reachable(Spec), key=lambda kind: kind.__name__)
