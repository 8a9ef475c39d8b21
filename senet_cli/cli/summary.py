"""`--summary`: how many images of which class, and how many failed for which reason, on standard error."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from senet_cli.cli.console import say
from senet_cli.output.tally import Tally
from senet_cli.output.text import counted, wrapped

_ROWS = 30
"""Classes that are shown without `-v`; of more than these the most frequent ones."""
_WIDEST_BAR = 24


def show_summary(tally: Tally, *, only: bool, everything: bool) -> None:
    """Show the counts, the most frequent class first.

    Args:
        tally: of the run.
        only: True if certain classes were asked for: then the others are one number.
        everything: True to show every class, however many there are.
    """
    width = shutil.get_terminal_size().columns
    unicode = (sys.stderr.encoding or "").lower().startswith("utf") if sys.stderr else False
    say("\n".join(summary(tally, width, unicode=unicode, only=only, everything=everything)))


def summary(tally: Tally, width: int, *, unicode: bool, only: bool, everything: bool) -> list[str]:
    """Lay out the counts as lines: count, share of all images, bar, class; failures last.

    Args:
        tally, only, everything: see `show_summary`.
        width: cells of a line.
        unicode: True if bars may be drawn with block characters.
    """
    rows = [*_rows(tally, only=only, everything=everything)]
    digits = max((len(f"{count:,}") for _, count in rows), default=0)
    bar_cells = max(4, min(_WIDEST_BAR, width // 4))
    most = max((count for _, count in rows), default=0)
    lines = [_head(tally)]
    for name, count in rows:
        filled = round(bar_cells * count / most) or 1
        bar = ("━" if unicode else "#") * filled + " " * (bar_cells - filled)
        first = f"{count:>{digits},}  {count / tally.images:6.1%}  {bar}  "
        lines += wrapped(name, width, first=first, rest=" " * len(first))
    return lines


def _head(tally: Tally) -> str:
    failed = f", {tally.failed:,} failed" if tally.failed else ""
    return f"{counted(tally.images, 'image')}, {counted(len(tally.labels), 'class', 'classes')}{failed}"


def _rows(tally: Tally, *, only: bool, everything: bool) -> Iterator[tuple[str, int]]:
    ranked = sorted(tally.labels.items(), key=lambda item: (-item[1], item[0]))
    shown = ranked if everything or len(ranked) <= _ROWS else ranked[: _ROWS - 1]
    yield from shown
    if more := ranked[len(shown) :]:
        yield f"{len(more):,} more classes (-v shows them)", sum(count for _, count in more)
    if rest := tally.images - tally.failed - tally.labels.total():
        yield "(none of the classes asked for)" if only else "(no score is high enough)", rest
    for kind, count in sorted(tally.failures.items(), key=lambda item: (-item[1], item[0])):
        yield f"failed: {kind}", count
