"""Pictures of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence

from senet_cli.train.loop import Epoch


def draw_curves(log: Sequence[Epoch]) -> bytes:
    """Loss and accuracy over the epochs as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in log]
    loss.plot(numbers, [epoch.loss for epoch in log], label="training")
    loss.plot(numbers, [epoch.held_back_loss for epoch in log], label="held back")
    loss.set(xlabel="epoch", ylabel="loss")
    accuracy.plot(numbers, [100 * epoch.accuracy for epoch in log], label="training")
    accuracy.plot(numbers, [100 * epoch.held_back_accuracy for epoch in log], label="held back")
    accuracy.set(xlabel="epoch", ylabel="top-1 accuracy, %")
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.legend()
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()
