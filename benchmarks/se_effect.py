"""SE-ResNet-20 and its plain twin on CIFAR-10, same recipe, several seeds: `senet train`, then a comparison.

    python benchmarks/se_effect.py DATA [--epochs 12] [--seeds 3] [--runs FOLDER] [--picture FILE.png]

DATA is what `senet train` takes. Finished runs are not trained again, those that were cut off go on, so the
script may be stopped at any time. Prints Markdown: held-back accuracy after the last epoch, and the
epoch in which it first passes some marks. The same for other networks with --arch.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

KINDS = {"se": ("SE-ResNet-20", []), "plain": ("ResNet-20", ["--no-se"])}
"""Short name -> name for people, and what `senet train` is told."""
MARKS = (60, 70, 75, 80)
Curves = dict[str, list[list[float]]]
"""Short name -> held-back accuracy in percent, a list of epochs for each seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--arch", default="seresnet20-cifar")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/se-effect"))
    parser.add_argument("--picture", type=Path, default=Path("se-effect.png"))
    options = parser.parse_args()
    for seed in range(options.seeds):
        for kind in KINDS:
            train(options, kind, seed)
    curves = {
        kind: [accuracies(options.runs / f"{kind}-seed{seed}") for seed in range(options.seeds)]
        for kind in KINDS
    }
    print(table(curves))
    draw(curves, options.picture)


def train(options: argparse.Namespace, kind: str, seed: int) -> None:
    run = options.runs / f"{kind}-seed{seed}"
    if (run / "model.safetensors").exists():  # a run that is not finished has weights of another name
        return
    command = [sys.executable, "-m", "senet_cli", "train", options.data, "--arch", options.arch]
    command += [*KINDS[kind][1], "--epochs", options.epochs, "--seed", seed, "-o", run, "--resume"]
    subprocess.run([str(word) for word in command], check=True)


def accuracies(run: Path) -> list[float]:
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        return [100 * float(row["held_back_accuracy"]) for row in csv.DictReader(file)]


# --- the comparison -----------------------------------------------------------------------------


def table(curves: Curves) -> str:
    """Markdown: one row a network, then the differences seed by seed."""
    seeds = range(len(curves["se"]))
    head = [
        "",
        *(f"seed {seed}" for seed in seeds),
        "mean ± s.d.",
        *(f"first over {mark} %" for mark in MARKS),
    ]
    lines = [row(head), row(["---", *["---:"] * (len(head) - 1)])]
    for kind, runs in curves.items():
        marks = [passed(runs, mark) for mark in MARKS]
        lines.append(row([KINDS[kind][0], *figures([run[-1] for run in runs]), *marks]))
    gains = [se[-1] - plain[-1] for se, plain in zip(curves["se"], curves["plain"], strict=True)]
    lines.append(row(["difference", *figures(gains, "+"), *[""] * len(MARKS)]))
    return "\n".join(lines)


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def figures(values: list[float], sign: str = "") -> list[str]:
    """Each value, then mean and sample standard deviation, all in percent."""
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return [*(f"{value:{sign}.2f}" for value in values), f"{statistics.mean(values):{sign}.2f}{deviation}"]


def passed(runs: list[list[float]], mark: float) -> str:
    """The epoch in which each seed's accuracy first reaches the mark; `-` for never."""
    firsts = (next((i for i, accuracy in enumerate(run, 1) if accuracy >= mark), None) for run in runs)
    return ", ".join("-" if first is None else str(first) for first in firsts)


def draw(curves: Curves, path: Path) -> None:
    """Mean over the seeds as a line, from worst to best as a band, and each seed's gain by epoch."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, runs in curves.items():
        by_epoch = list(zip(*runs, strict=True))
        epochs = range(1, len(by_epoch) + 1)
        (line,) = left.plot(epochs, [statistics.mean(values) for values in by_epoch], label=KINDS[kind][0])
        left.fill_between(
            epochs, list(map(min, by_epoch)), list(map(max, by_epoch)), color=line.get_color(), alpha=0.2
        )
    left.set(xlabel="epoch", ylabel="held-back top-1 accuracy, %")
    left.legend()
    for seed, (se, plain) in enumerate(zip(curves["se"], curves["plain"], strict=True)):
        gains = [a - b for a, b in zip(se, plain, strict=True)]
        right.plot(range(1, len(gains) + 1), gains, marker="o", label=f"seed {seed}")
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xlabel="epoch", ylabel="gain by SE, percentage points")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
