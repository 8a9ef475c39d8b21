"""`senet train` without options on few photographs a class, beside two anchors on the same starting network.

    python benchmarks/few_images.py PHOTOS [--images 10 100] [--seeds 3] [--sets birds ...] [--model NAME]

PHOTOS is searched for photographs with a WordNet id in the name (`tiny-n01855672-12.jpg`), or in a folder
that is called like a class. For each set and
seed so many of each class are drawn to learn from, and up to 50 of the others are judged.

- `senet train` holds a tenth of what it is given back; the anchors learn from the same images as it does.
- Logistic regression: scikit-learn's, with its defaults, on the network's features of unit variance.
- fastai's `fine_tune` as its documentation describes it: an epoch for the head and the batch norms, with
  Adam, one cycle up to 2e-3; then all layers, up to 1e-3 for the head and, in equal ratios, down to a
  hundredth of it for the first layers. Head, batch, epochs and augmentation are those of `senet train`.

Prints a line for each, and Markdown at the end. One thread; times are not measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from senet_cli.catalogue.resolve import ModelRef
from senet_cli.datasets.labelled import Labelled
from senet_cli.events import SILENCE
from senet_cli.images.sources import Source
from senet_cli.inference.models import RunnableModel, load_torch_network
from senet_cli.inference.resolve import Resolver
from senet_cli.nets.network import build_network
from senet_cli.nets.pixels import PixelNetwork
from senet_cli.settings import BUNDLED_MODEL, Settings
from senet_cli.tasks.train.begun import TrainRequest
from senet_cli.tasks.train.recipe import TrainingOptions
from senet_cli.tasks.train.samples import Samples, augmentation, batches
from senet_cli.tasks.train.service import train

SETS = {
    "birds": "n01532829 n01558993 n01843383 n01855672 n02002724 n02056570 n02058221",
    "vehicles": "n02814533 n02981792 n03100240 n03417042 n03662601 n03796401 n04285008",
    "cats and dogs": "n02085620 n02099601 n02099712 n02102040 n02123045 n02123394 n02124075",
    "cat or dog": "cat dog",
}
JUDGED = 50
"""Photographs of a class, at most."""
Images = list[tuple[Path, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default=BUNDLED_MODEL)
    parser.add_argument("--images", type=int, nargs="+", default=[10])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS)[:3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings.from_environment()
    model = Resolver.load(settings).choose(ModelRef.parse(options.model))
    found: dict[tuple[int, str, str], list[float]] = defaultdict(list)
    for seed in options.seeds:
        for each in options.images:
            for name in options.sets:
                drawn = draw(options.photos, SETS[name].split(), each, seed)
                for method, right in measured(drawn, model, seed, settings):
                    found[each, name, method].append(right)
                    print(f"{each} a class, {name}, seed {seed}: {method} {100 * right:.1f} %", flush=True)
    print(table(found))


# --- photographs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """Photographs to learn from and to judge, with the number of their class."""

    train: Images
    judged: Images
    classes: int


def draw(folder: Path, ids: Sequence[str], each: int, seed: int) -> Drawn:
    by_id: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.*")):
        known = re.search(r"n\d{8}", path.name)
        for key in (path.parent.name, known[0] if known else ""):
            by_id[key].append(path.resolve())
    learned, judged = [], []
    for number, key in enumerate(ids):
        paths = by_id[key]
        random.Random(f"{seed} {key}").shuffle(paths)
        count = min(each, len(paths) - JUDGED if len(paths) > 3 * JUDGED else len(paths) * 2 // 3)
        learned += [(path, number) for path in paths[:count]]
        judged += [(path, number) for path in paths[count : count + JUDGED]]
    return Drawn(learned, judged, len(ids))


def samples(images: Images, model: RunnableModel, augment: Any = None) -> Samples:
    sources = [(Source(str(path)), number) for path, number in images]
    transform = augmentation(augment, model.preprocess) if augment else None
    return Samples(Labelled((), sources), model.preprocess, transform)


def tensors(images: Images, model: RunnableModel) -> tuple[Tensor, Tensor]:
    (batch,) = batches(samples(images, model), len(images), seed=0, jobs=0, whole=True)
    return batch[0], batch[1]


# --- three ways -----------------------------------------------------------------------------------


def measured(
    drawn: Drawn, model: RunnableModel, seed: int, settings: Settings
) -> Iterator[tuple[str, float]]:
    judged = tensors(drawn.judged, model)
    with tempfile.TemporaryDirectory() as name:
        network, recipe, learned = senet(drawn, model, seed, settings, Path(name))
    drawn = replace(drawn, train=[image for image in drawn.train if identity(image[0]) in learned])
    yield "senet train", share(network, judged)
    start = fresh(drawn, model, seed)
    pixels, targets = tensors(drawn.train, model)
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    judge.fit(features(start, pixels), targets)
    yield "logistic regression", float(judge.score(features(start, judged[0]), judged[1]))
    yield "fastai's schedule", share(fine_tune(start, drawn, model, recipe), judged)


def senet(
    drawn: Drawn, model: RunnableModel, seed: int, settings: Settings, folder: Path
) -> tuple[PixelNetwork, dict[str, Any], set[str]]:
    for path, number in drawn.train:
        place = folder / "data" / f"class {number}" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    run = folder / "run"
    train(
        TrainRequest(
            output=run,
            data=folder / "data",
            origin=model.name,
            threads=1,
            device="cpu",
            recipe=TrainingOptions(seed=seed),
        ),
        settings,
        SILENCE,
    )
    trained = Resolver.load(settings).choose(ModelRef.to_folder(run))
    recipe: dict[str, Any] = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    learned = json.loads((run / "held-back.json").read_text(encoding="utf-8"))["trained"]
    return PixelNetwork(load_torch_network(trained), model.preprocess), recipe, set(learned)


def identity(path: Path) -> str:
    """Name an image as the record of a run does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def fresh(drawn: Drawn, model: RunnableModel, seed: int) -> PixelNetwork:
    torch.manual_seed(seed)
    network = load_torch_network(model)
    new = build_network(model.architecture.spec.with_classes(drawn.classes))
    network.head, network.spec = new.head, new.spec
    return PixelNetwork(network, model.preprocess)


def fine_tune(
    pixels: PixelNetwork, drawn: Drawn, model: RunnableModel, recipe: dict[str, Any]
) -> PixelNetwork:
    """Follow fastai's `Learner.fine_tune(epochs)` with its defaults, on this head."""
    images, network = samples(drawn.train, model, recipe["augment"]), pixels.network
    stages = [list(network.get_submodule(name).parameters()) for name in network.stages]
    groups = [
        [*network.stem.parameters(), *stages[0], *stages[1]],
        [parameter for stage in stages[2:] for parameter in stage],
        list(network.head.parameters()),
    ]
    for module in network.modules():  # frozen, but for the head and the batch norms
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(isinstance(module, nn.BatchNorm2d))
    network.head.requires_grad_(True)
    one_cycle(pixels, images, groups, [2e-3] * 3, recipe, epochs=1, start=0.99, division=25)
    network.requires_grad_(True)
    one_cycle(
        pixels, images, groups, [1e-5, 1e-4, 1e-3], recipe, epochs=recipe["epochs"], start=0.3, division=5
    )
    return pixels


def one_cycle(
    pixels: PixelNetwork,
    images: Samples,
    groups: list[list[nn.Parameter]],
    rates: list[float],
    recipe: dict[str, Any],
    *,
    epochs: int,
    start: float,
    division: float,
) -> None:
    """Follow `fit_one_cycle`: cosines from `rate / division` up, then to `rate / 1e5`; momentum mirrored."""
    trained = [[parameter for parameter in group if parameter.requires_grad] for group in groups]
    optimiser = torch.optim.AdamW(
        [{"params": group} for group in trained], weight_decay=0.01, betas=(0.95, 0.99), eps=1e-5
    )
    batch = min(recipe["batch_size"], len(images))
    steps, step = epochs * (len(images) // batch), 0
    for epoch in range(epochs):
        pixels.network.train()
        for seen, wanted, _ in batches(images, batch, seed=1000 * recipe["seed"] + epoch, jobs=0):
            place = step / steps
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = cycle(place, start, rate / division, rate, rate / 1e5)
                group["betas"] = (cycle(place, start, 0.95, 0.85, 0.95), 0.99)
            optimiser.zero_grad()
            functional.cross_entropy(pixels.logits(seen), wanted).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            step += 1


def cycle(place: float, start: float, first: float, middle: float, last: float) -> float:
    if place < start:
        return between(first, middle, place / start)
    return between(middle, last, (place - start) / (1 - start))


def between(first: float, last: float, place: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * place)) / 2


@torch.inference_mode()
def features(network: PixelNetwork, images: Tensor) -> Any:
    network.network.eval()
    return torch.cat([network.features(part) for part in torch.split(images, 64)]).numpy()


@torch.inference_mode()
def share(network: PixelNetwork, judged: tuple[Tensor, Tensor]) -> float:
    network.network.eval()
    answers = torch.cat([network.logits(part) for part in torch.split(judged[0], 64)]).argmax(1)
    return float((answers == judged[1]).float().mean())


def table(found: dict[tuple[int, str, str], list[float]]) -> str:
    methods = list(dict.fromkeys(method for *_, method in found))
    lines = [f"| images a class | set | {' | '.join(methods)} |", f"|---:|---|{'---|' * len(methods)}"]
    for each, name in dict.fromkeys((each, name) for each, name, _ in found):
        cells = []
        for method in methods:
            rights = [100 * right for right in found[each, name, method]]
            mean = sum(rights) / len(rights)
            cells.append(f"{mean:.1f} % ({', '.join(f'{right:.1f}' for right in rights)})")
        lines.append(f"| {each} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
