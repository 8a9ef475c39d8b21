"""Pictures for people, drawn with matplotlib: curves of a run, confusion matrices."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 40
"""Up to this many classes have their names at the axes, and up to half as many numbers in the cells."""


def draw_confusion(counts: NDArray[np.int64], labels: Sequence[str], title: str) -> bytes:
    """Draw a confusion matrix as a PNG.

    Args:
        counts: (classes, classes), true class by row, predicted by column.
        labels: names of the classes.
        title: stands above.
    """
    from matplotlib.figure import Figure

    side = min(12.0, 3.5 + 0.35 * len(labels))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    if len(labels) <= _NAMED:
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= _NAMED // 2:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    return _png(figure)


def draw_curves(loss: dict[str, list[float]], accuracy: dict[str, list[float]]) -> bytes:
    """Draw loss and top-1 accuracy (percent) over the epochs, from 1 on, one line per name, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, lines, title in ((left, loss, "loss"), (right, accuracy, "top-1 accuracy, %")):
        for name, values in lines.items():
            axes.plot(range(1, len(values) + 1), values, label=name)
        axes.set(xlabel="epoch", ylabel=title)
        axes.grid(alpha=0.3)
        axes.legend()
    return _png(figure)


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(picture, format="png")
    return picture.getvalue()
