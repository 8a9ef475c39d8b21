"""What is chosen where the user says nothing, worked out by hand: nothing is trained here."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.nets.network import build_network
from senet_cli.tasks.evaluate.accuracy import Share
from senet_cli.tasks.train.loop import Epoch, _optimiser, best_epoch
from senet_cli.tasks.train.plan import Facts, class_weights, is_worse, plan
from senet_cli.tasks.train.recipe import TrainingOptions, TrainingRecipe

PAGE = Path(__file__).parents[3] / "docs" / "fine-tuning.md"


def facts(images: int, classes: int = 2, **changes: Any) -> Facts:
    counts = tuple(images // classes + (number < images % classes) for number in range(classes))
    return Facts(
        **{"counts": counts, "held_back": images // 9, "fine_tuning": True, "new_head": True} | changes
    )


def test_few_images_get_small_batches_and_many_passes() -> None:
    for images, fine_tuning, expected in (
        *((48, True, (8, 60)), (100, True, (8, 60)), (101, True, (8, 40)), (301, True, (16, 30))),
        *((1_001, True, (32, 20)), (5_001, True, (64, 15)), (50_000, True, (128, 15))),
        *((48, False, (8, 100)), (1_000, False, (16, 100)), (50_000, False, (128, 30))),
    ):
        recipe = plan(facts(images, fine_tuning=fine_tuning), TrainingOptions())
        assert (recipe.batch_size, recipe.epochs) == expected, (images, fine_tuning)
        steps = recipe.epochs * (images // recipe.batch_size)
        assert steps >= 300, "128 a batch were one step an epoch for 48 images"


def test_what_is_said_always_holds() -> None:
    said = TrainingOptions(
        epochs=3,
        batch_size=5,
        rate=0.5,
        seed=7,
        augment="none",
        precision="fp32",
        freeze=1,
        optimiser="sgd",
        deterministic=True,
        balance=False,
        probe=False,
        choose=False,
        patience=4,
    )
    recipe = plan(facts(999, bf16=True, counts=(900, 99)), said)
    assert {name: getattr(recipe, name) for name in TrainingOptions.__slots__} == {
        name: getattr(said, name) for name in TrainingOptions.__slots__
    }


def test_a_head_is_fitted_first_where_it_is_new_and_features_are_worth_something() -> None:
    assert plan(facts(48), TrainingOptions()).probe
    assert not plan(facts(48, new_head=False), TrainingOptions()).probe
    assert not plan(facts(48, fine_tuning=False), TrainingOptions(probe=True)).probe
    assert not plan(facts(50_000), TrainingOptions()).probe
    assert plan(facts(50_000), TrainingOptions(probe=True)).probe
    assert plan(facts(48), TrainingOptions()).choose
    assert not plan(facts(48), TrainingOptions(freeze=0)).choose, "all layers, as asked for"


def test_a_run_ends_early_only_where_a_plateau_can_be_told() -> None:
    assert plan(facts(48), TrainingOptions()).patience == 0  # 5 images are held back
    assert plan(facts(300), TrainingOptions()).patience == 13
    assert plan(facts(300), TrainingOptions(epochs=30)).patience == 0
    assert plan(facts(300), TrainingOptions(epochs=30, patience=3)).patience == 3
    assert TrainingOptions(epochs=60).over(TrainingOptions(epochs=30, patience=9)).patience == 0


def test_classes_count_alike_where_they_are_uneven() -> None:
    assert not plan(facts(0, counts=(10, 19)), TrainingOptions()).balance
    assert plan(facts(0, counts=(10, 20, 0)), TrainingOptions()).balance
    assert class_weights((30, 10, 0)) == pytest.approx([40 / 60, 2.0, 0.0])


def test_bf16_is_for_large_batches() -> None:
    assert plan(facts(50_000, bf16=True), TrainingOptions()).precision == "bf16"
    assert plan(facts(50_000), TrainingOptions()).precision == "fp32"
    assert plan(facts(48, bf16=True), TrainingOptions()).precision == "fp32"
    assert plan(facts(48, bf16=True), TrainingOptions(precision="bf16")).precision == "bf16"


def test_the_rate_follows_the_batch() -> None:
    assert plan(facts(48), TrainingOptions()).rate == pytest.approx(0.001)
    assert plan(facts(48), TrainingOptions(optimiser="sgd")).rate == pytest.approx(0.003)
    for crop, said, early in ((32, None, 1.0), (224, None, 0.1), (224, "sgd", 1.0)):
        assert plan(facts(48, crop=crop), TrainingOptions(optimiser=said)).early == early


def test_the_first_layers_of_large_networks_change_least() -> None:
    network = build_network(load_manifest().architecture("seresnet20-cifar").spec)
    recipe = TrainingRecipe(epochs=1, batch_size=8, rate=0.001, optimiser="adam", early=0.25)
    optimiser = _optimiser(network, recipe)
    part = {id(each): group["part"] for group in optimiser.param_groups for each in group["params"]}
    assert part.keys() == {id(parameter) for parameter in network.parameters()}, "each exactly once"
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(part)
    found = {name.partition(".")[0]: part[id(value)] for name, value in network.named_parameters()}
    assert found == {"stem": 0.25, "stage1": 0.25, "stage2": 0.25, "stage3": 0.5, "head": 1.0}
    assert plan(facts(48, fine_tuning=False), TrainingOptions()).rate == pytest.approx(0.1 * 8 / 128)


def test_worse_is_worse_by_more_than_chance() -> None:
    assert not is_worse(Share(3, 7), Share(4, 7))
    assert is_worse(Share(2, 7), Share(5, 7))
    assert not is_worse(Share(490, 1000), Share(500, 1000))
    assert is_worse(Share(460, 1000), Share(500, 1000))
    assert not is_worse(Share(5, 5), Share(0, 0))
    assert not is_worse(Share(5, 5), Share(5, 5))


def test_the_best_epoch_has_the_lowest_loss_on_what_is_held_back() -> None:
    def log(*losses: float) -> list[Epoch]:
        return [Epoch(n, 0.1, 1.0, 0.5, loss, 0.5, 1.0) for n, loss in enumerate(losses, start=1)]

    assert best_epoch(log(3, 1, 2, 1)) == 2
    assert best_epoch(log(math.nan, 2)) == 2
    assert best_epoch(log(math.nan, math.nan)) == 2
    assert best_epoch([]) == 0


def test_the_page_shows_what_is_chosen() -> None:
    rows = re.findall(r"^\| ([\d,]+) a class \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [each for each, _ in rows[:3]] == ["10", "100", "1,000"]
    for each, cells in rows[:3]:
        given = int(each.replace(",", ""))
        apart = given // 10 or 1
        recipe = plan(facts(7 * (given - apart), 7, held_back=7 * apart), TrainingOptions())
        ends = f"after {recipe.patience} epochs without progress" if recipe.patience else "no: 7 held back"
        head = "fitted head" if recipe.probe else ""
        assert [cell.strip() for cell in cells.split("|")] == [
            f"{7 * (given - apart):,}",
            str(recipe.batch_size),
            str(recipe.epochs),
            f"{recipe.rate:.2g}",
            recipe.augment,
            head,
            ends,
        ]
