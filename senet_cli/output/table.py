"""For people: a heading for each image, a bar for each score."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from senet_cli.inference.records import ImageFailure, Prediction, Record
from senet_cli.output.text import printable

if TYPE_CHECKING:
    from rich.table import Table

_MAX_BAR, _MAX_LABEL = 20, 30
_RANK, _SCORE = 4, 7
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
        self._width = max(width, _MIN_WIDTH)
        self._block = "━" if unicode else "#"
        self._console = Console(
            file=self._buffer,
            width=self._width,
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
            self._console.print(Text("  no score is high enough", style="dim"))
        else:
            self._console.print(self._scores(record.predictions, probabilities=record.probabilities))
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text

    def end(self) -> str:
        """See `Writer`."""
        return ""

    def _scores(self, predictions: Sequence[Prediction], *, probabilities: bool) -> Table:
        from rich.table import Table
        from rich.text import Text

        bar_cells, label_cells = self._columns()
        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right", width=_RANK)
        table.add_column(width=label_cells)
        table.add_column(width=bar_cells, no_wrap=True)
        table.add_column(justify="right", width=_SCORE)
        for rank, best in enumerate(predictions, start=1):
            filled = round(best.score * bar_cells) if probabilities else 0
            bar = Text(self._block * filled, style="green" if rank == 1 else "cyan")
            score = f"{best.score:.2%}" if probabilities else f"{best.score:.4g}"
            table.add_row(str(rank), Text(best.label), bar, score)
        return table

    def _columns(self) -> tuple[int, int]:
        """Cells for bar and label: what rank, score and the gaps between the four leave of the width."""
        room = self._width - _RANK - _SCORE - 4
        bar = min(_MAX_BAR, room * 2 // 5)
        return bar, min(_MAX_LABEL, room - bar)
