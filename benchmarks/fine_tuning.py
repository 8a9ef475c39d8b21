"""Fine-tuning on a handful of photographs, beside the same network trained on them from scratch.

    python benchmarks/fine_tuning.py PHOTOS [--model NAME] [--epochs 60] [--seeds 3] [--lr RATE ...]

PHOTOS holds photographs named by WordNet id (`n07753592_banana.JPEG`). Those of three groups that CIFAR-10's
classes do not know are taken: instruments, fruit and vegetables, buildings. A third is held back, in turn, so
that after three folds each photograph was judged by networks that never saw it.
The head is random at first (`--no-probe`). Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.settings import BUNDLED_MODEL

GROUPS = {
    "instrument": "n02672831 n02992211 n03110669 n03720891 n04141076 n04487394",
    "fruit": "n07716906 n07717410 n07718747 n07730033 n07749582 n07753592 n07760859 n07768694 n12144580",
    "building": "n02793495 n02980441 n03388043 n03743016 n03788195 n03877845 n03933933 n04417672 n04562935",
}
FOLDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default=BUNDLED_MODEL)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lr", type=float, nargs="+", default=[0.003, 0.01, 0.03])
    options = parser.parse_args()
    architecture = load_manifest().checkpoint(options.model).architecture.key
    starts = {
        options.model: ["--from", options.model, "--no-probe", "--optimizer", "sgd"],
        "random weights": ["--arch", architecture],
    }
    groups = {name: photos(options.photos, ids) for name, ids in GROUPS.items()}
    sizes = {name: len(paths) for name, paths in groups.items()}
    print(
        f"{sum(sizes.values())} photographs: {sizes}; naming the largest group is right for {largest(sizes)}"
    )
    print("\n| start | learning rate | right, seed by seed | all | seconds a run |\n|---|---:|---|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        for start, words in starts.items():
            for rate in options.lr:
                recipe = [*words, "--epochs", options.epochs, "--lr", rate, "--batch-size", 8]
                print(line(start, rate, Path(name), groups, recipe, options.seeds), flush=True)


def line(
    start: str, rate: float, folder: Path, groups: dict[str, list[Path]], recipe: list[object], seeds: int
) -> str:
    """One row: all folds for each seed."""
    right, began = [], time.monotonic()
    for seed in range(seeds):
        right.append(sum(trained(folder, groups, fold, [*recipe, "--seed", seed]) for fold in range(FOLDS)))
    seconds = (time.monotonic() - began) / (seeds * FOLDS)
    all_photos = seeds * sum(map(len, groups.values()))
    shown = ", ".join(map(str, right))
    return f"| {start} | {rate:g} | {shown} | {100 * sum(right) / all_photos:.1f} % | {seconds:.0f} |"


def trained(folder: Path, groups: dict[str, list[Path]], fold: int, recipe: list[object]) -> int:
    """Trains without this fold; returns how many of its photographs the last epoch got right."""
    data, run = folder / "data", folder / "run"
    for path in (data, run):
        shutil.rmtree(path, ignore_errors=True)
    held_back = 0
    for group, part, path in divided(groups, fold):
        (data / part / group).mkdir(parents=True, exist_ok=True)
        (data / part / group / path.name).symlink_to(path)
        held_back += part == "val"
    command = ["senet_cli", "train", data, "--augment", "scale", *recipe, "-o", run, "-q"]
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        *_, last = csv.DictReader(file)
    return round(float(last["held_back_accuracy"]) * held_back)


def divided(groups: dict[str, list[Path]], fold: int) -> Iterator[tuple[str, str, Path]]:
    """Group, "train" or "val", and path of each photograph; every third of a group is held back."""
    for group, paths in groups.items():
        for number, path in enumerate(paths):
            yield group, "val" if number % FOLDS == fold else "train", path


def photos(folder: Path, ids: str) -> list[Path]:
    return sorted(path.resolve() for path in folder.iterdir() if path.name.partition("_")[0] in ids.split())


def largest(sizes: dict[str, int]) -> str:
    return f"{100 * max(sizes.values()) / sum(sizes.values()):.1f} %"


if __name__ == "__main__":
    main()
