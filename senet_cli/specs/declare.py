"""How a part declares itself: the bounds of its fields, and the traits that tell it from other parts.

`senet_cli.catalogue.codec` derives JSON reader, writer and JSON Schema of a part from its dataclass:

- the annotation of a field is its type in JSON: `Literal`, `bool`, `str`, `Annotated[int, Between(...)]`,
  a tuple of numbers or parts, another part, a union of parts; where None is in it, it may be left out;
- `tag` is the value of `type` that names the part where several may stand; with `usual = True` the part is
  meant where there is no `type`. A part without a tag has no `type`;
- `problem()` says what is wrong with numbers that are right one by one, and `rules` as much of it as JSON
  Schema can say.

Plain classes rather than dataclasses, and nothing that is derived at the import: `senet --help` waits for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Between:
    """Bounds of a number, both included.

    Args:
        low, high: least and greatest value.
    """

    __slots__ = ("high", "low")

    def __init__(self, low: float, high: float) -> None:
        self.low: Final = low
        self.high: Final = high


class _Mark:
    __slots__ = ()


REQUIRED: Final = _Mark()
"""The manifest must state the field, whatever its default in Python is."""
UNSTATED: Final = _Mark()
"""The field is not part of the JSON: it has its default."""


class Trait(NamedTuple):
    """One thing that tells a network from its relatives.

    Args:
        kind: what it is about; two networks of the same kind of parts have the same kinds of traits.
        words: what it is, in words that stand by themselves and name the value.
        said: False for what goes without saying in a description; comparisons still say it.
    """

    kind: str
    words: str
    said: bool = True
