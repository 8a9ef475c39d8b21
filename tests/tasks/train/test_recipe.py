"""The learning rate over a run, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from senet_cli.tasks.train.recipe import TrainingRecipe, usual_rate


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    recipe = TrainingRecipe(epochs=10, batch_size=128, rate=0.4, warmup=0.2)
    rates = [recipe.rate_at(step, 50) for step in range(50)]
    assert rates[:10] == pytest.approx([0.04 * n for n in range(1, 11)])
    assert rates[10] == pytest.approx(0.4)
    assert rates[30] == pytest.approx(0.2)  # half of the way down
    assert rates[40] == pytest.approx(0.2 * (1 + math.cos(0.75 * math.pi)))
    assert 0 < rates[-1] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_run_of_one_step_has_a_rate() -> None:
    assert TrainingRecipe(epochs=1, batch_size=1, rate=0.1).rate_at(0, 1) == pytest.approx(0.1)


def test_the_usual_rate_grows_with_the_batch() -> None:
    assert usual_rate(128, fine_tuning=False) == pytest.approx(0.1)
    assert usual_rate(512, fine_tuning=False) == pytest.approx(0.4)
    assert usual_rate(32, fine_tuning=True) == pytest.approx(0.006)
