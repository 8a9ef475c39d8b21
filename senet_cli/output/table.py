"""For people: a heading for each image, a bar for each score; or a line for each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from senet_cli.inference.records import ImageFailure, Prediction, Record
from senet_cli.output.text import cells, folded, printable, wrapped

_MAX_BAR, _MAX_LABEL, _LEAST_BAR = 20, 30, 4
_RANK, _SCORE = 4, 7
_MIN_WIDTH = 40
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


class TableWriter:
    """Words are broken only where one alone is wider than its place.

    Args:
        width: cells of the terminal.
        colour: True for colours.
        unicode: True if bars may be drawn with block characters.
        brief: True for one line an image, with its best class only.
    """

    def __init__(
        self, width: int = 80, *, colour: bool = False, unicode: bool = True, brief: bool = False
    ) -> None:
        self._width = max(width, _MIN_WIDTH)
        self._block, self._more = ("━", "…") if unicode else ("#", "...")
        self._colour = colour
        self._brief = brief

    def begin(self) -> str:
        """See `Writer`."""
        return ""

    def record(self, record: Record) -> str:
        """See `Writer`."""
        lines = self._line(record) if self._brief else self._block_of(record)
        return "".join(f"{line}\n" for line in lines)

    def end(self) -> str:
        """See `Writer`."""
        return ""

    # --- a block for each image ---------------------------------------------------------------

    def _block_of(self, record: Record) -> Iterator[str]:
        yield from (self._styled(line, "bold") for line in folded([printable(record.path)], self._width))
        if isinstance(record, ImageFailure):
            message = f"{record.kind}: {printable(record.message)}"
            yield from (self._styled(line, "red") for line in self._wrapped(message))
        elif not record.predictions:
            yield self._styled("  no score is high enough", "dim")
        else:
            yield from self._scores(record.predictions, probabilities=record.probabilities)

    def _wrapped(self, text: str) -> list[str]:
        words = folded(text.split(" "), self._width - 2)
        return wrapped(" ".join(words), self._width, first="  ", rest="  ")

    def _scores(self, predictions: Sequence[Prediction], *, probabilities: bool) -> Iterator[str]:
        bar_cells, label_cells = self._columns(predictions)
        for rank, best in enumerate(predictions, start=1):
            filled = round(best.score * bar_cells) if probabilities else 0
            words = folded(printable(best.label).split(" "), label_cells)
            label, *rest = wrapped(" ".join(words), label_cells)
            blank = " " * (label_cells - cells(label))
            bar = self._styled(self._block * filled, "green" if rank == 1 else "cyan")
            gap = " " * (bar_cells - filled + 1)
            yield f"{rank:>{_RANK}} {label}{blank} {bar}{gap}{_score(best, probabilities=probabilities)}"
            yield from (f"{'':{_RANK}} {line}" for line in rest)

    def _columns(self, predictions: Sequence[Prediction]) -> tuple[int, int]:
        """Cells for bar and label: what rank, score and the gaps between the four leave of the width.

        The bar gives way to a word that needs more.
        """
        room = self._width - _RANK - _SCORE - 4
        bar = min(_MAX_BAR, room * 2 // 5)
        label = min(_MAX_LABEL, room - bar)
        longest = max(cells(word) for best in predictions for word in printable(best.label).split(" "))
        if longest > label:
            label = min(longest, room)
            bar = min(bar, room - label)
            bar = bar if bar >= _LEAST_BAR else 0
        return bar, label

    # --- a line for each image ----------------------------------------------------------------

    def _line(self, record: Record) -> Iterator[str]:
        room = self._width - _SCORE - 4
        label_cells = min(_MAX_LABEL, room // 2)
        path = self._short_path(printable(record.path), room - label_cells)
        if isinstance(record, ImageFailure):
            message = printable(record.message)
            words = message if cells(message) <= label_cells else self._short(record.kind, label_cells)
            blank = " " * (label_cells - cells(words))
            yield self._styled(f"{'failed':>{_SCORE}}  {words}{blank}  {path}", "red")
            if words != message:
                yield from (self._styled(line, "red") for line in self._reason(message))
        elif not record.predictions:
            words = self._short("no score is high enough", label_cells)
            yield self._styled(f"{'':{_SCORE}}  {words.ljust(label_cells)}  {path}", "dim")
        else:
            best = record.predictions[0]
            label = self._short(printable(best.label), label_cells)
            score = _score(best, probabilities=record.probabilities)
            blank = " " * (label_cells - cells(label))
            yield f"{score}  {self._styled(label, 'green')}{blank}  {path}"

    def _reason(self, message: str) -> list[str]:
        indent = " " * (_SCORE + 2)
        words = folded(message.split(" "), self._width - len(indent))
        return wrapped(" ".join(words), self._width, first=indent, rest=indent)

    def _short(self, text: str, room: int) -> str:
        """Cut a text after as many words as there is room for."""
        if cells(text) <= room:
            return text
        more = f" {self._more}"
        first = wrapped(text, room - len(more))[0]
        if cells(first) + len(more) <= room:
            return first + more
        return next(iter(folded([text], room - len(self._more)))) + self._more

    def _short_path(self, path: str, room: int) -> str:
        """Leave out the first folders of a path, so that the file's name is seen."""
        if cells(path) <= room:
            return path
        parts = PurePath(path).parts
        for first in range(1, len(parts)):
            shown = "/".join([self._more, *parts[first:]])
            if cells(shown) <= room:
                return shown
        name = path
        while cells(name) > room - len(self._more):
            name = name[1:]
        return self._more + name

    def _styled(self, text: str, style: str) -> str:
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self._colour and text else text


def _score(best: Prediction, *, probabilities: bool) -> str:
    text = f"{best.score:.2%}" if probabilities else f"{best.score:.4g}"
    return text.rjust(_SCORE)
