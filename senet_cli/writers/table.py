"""For people: a heading for each image, a bar for each score."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from senet_cli.records import ImageFailure, Prediction, Record
from senet_cli.writers.text import printable

if TYPE_CHECKING:
    from rich.table import Table

_BAR_CELLS = 20
_LABEL_CELLS = 30
_MIN_WIDTH = 40


class TableWriter:
    """Rendered by rich.

    Args:
        width: cells of the terminal.
        colour: True for colours.
        unicode: True if bars may be drawn with block characters.
    """

    def __init__(self, width: int = 80, *, colour: bool = False, unicode: bool = True) -> None:
        from rich.console import Console

        self._buffer = io.StringIO()
        self._block = "━" if unicode else "#"
        self._console = Console(
            file=self._buffer,
            width=max(width, _MIN_WIDTH),
            force_terminal=colour,
            no_color=not colour,
            highlight=False,
            legacy_windows=False,
        )

    def begin(self) -> str:
        """See `Writer`."""
        return ""

    def record(self, record: Record) -> str:
        """See `Writer`."""
        from rich.text import Text

        self._console.print(Text(printable(record.path), style="bold"))
        if isinstance(record, ImageFailure):
            self._console.print(Text(f"  {record.kind}: {printable(record.message)}", style="red"))
        elif not record.predictions:
            self._console.print(Text("  nothing above --min-score", style="dim"))
        else:
            self._console.print(self._scores(record.predictions))
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text

    def end(self) -> str:
        """See `Writer`."""
        return ""

    def _scores(self, predictions: Sequence[Prediction]) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right", width=4)
        table.add_column(width=_LABEL_CELLS)
        table.add_column(width=_BAR_CELLS, no_wrap=True)
        table.add_column(justify="right", width=7)
        for rank, best in enumerate(predictions, start=1):
            filled = round(best.score * _BAR_CELLS)
            bar = Text(self._block * filled, style="green" if rank == 1 else "cyan")
            table.add_row(str(rank), Text(best.label), bar, f"{best.score:.2%}")
        return table
