"""Which of a file's weights were taken: a value that needs no PyTorch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

WHOLE = "."
"""Key of the weights that a file holds without a wrapper."""
_SHOWN_KEYS = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file of weights holds, and what of it is used.

    Args:
        key: of the set that was taken, with `/` between the parts of a path; `WHOLE` for the file's own keys.
        sets: keys of all sets of weights in the file, the preferred one first.
        removed: what was taken off from all names, such as `module.`.
        set_aside: names of tensors that are not weights: counters of averaging and of operations.
    """

    key: str
    sets: tuple[str, ...]
    removed: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()

    @property
    def chosen(self) -> bool:
        """Tell whether there was another set."""
        return len(self.sets) > 1

    def in_words(self) -> str:
        """Say it in one sentence without a final stop; empty where there is nothing to say."""
        said = []
        if self.chosen:
            others = ", ".join(_shown(key) for key in self.sets if key != self.key)
            used = _shown(self.key)
            said.append(f"the file holds {len(self.sets)} sets of weights: {used} is used, not {others}")
        elif self.key != WHOLE:
            said.append(f"the weights are those under `{self.key}`")
        if self.removed:
            said.append(f"taken off from the names: {', '.join(f'`{text}`' for text in self.removed)}")
        if self.set_aside:
            more = (
                f" and {len(self.set_aside) - _SHOWN_KEYS} more" if len(self.set_aside) > _SHOWN_KEYS else ""
            )
            said.append(f"left out as counters: {', '.join(self.set_aside[:_SHOWN_KEYS])}{more}")
        return "; ".join(said)

    def as_notes(self) -> dict[str, Any]:
        """Write it for JSON."""
        return asdict(self)

    @classmethod
    def from_notes(cls, notes: dict[str, Any]) -> Taken:
        """Read what `as_notes` wrote."""
        return cls(notes["key"], *(tuple(notes[name]) for name in ("sets", "removed", "set_aside")))


def _shown(key: str) -> str:
    return f"`{WHOLE}` (the file's own keys)" if key == WHOLE else f"`{key}`"
