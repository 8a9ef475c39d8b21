"""The head that is fitted to features, against scikit-learn; and what a run makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from senet_cli.tasks.train import run as module
from senet_cli.tasks.train.plan import class_weights
from senet_cli.tasks.train.probe import STRENGTHS, fit_head, logistic_regression
from senet_cli.tasks.train.run import Run
from tests.conftest import Senet
from tests.tasks.train.conftest import make_stripes

SCALES = np.array([1, 1, 1, 10, 0.1, 0])


def clouds(classes: int, counts: tuple[int, ...], spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), counts)
    centres = random.normal(size=(classes, 6)) * SCALES
    return (
        torch.from_numpy(centres[targets] + spread * random.normal(size=(len(targets), 6)) * SCALES),
        torch.from_numpy(targets),
    )


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_regression_is_scikit_learns(classes: int, balanced: bool) -> None:
    counts = (12, 30, 8, 9)[:classes]
    features, targets = clouds(classes, counts)
    weights = torch.tensor(class_weights(counts) if balanced else [1.0] * classes, dtype=torch.float64)
    for strength in STRENGTHS:
        weight, bias = logistic_regression(features, targets, classes, weights, strength)
        # of two classes scikit-learn fits one output w; two opposite ones have the penalty of w / 2 twice
        judge = LogisticRegression(
            C=strength * (2 if classes == 2 else 1),
            class_weight="balanced" if balanced else None,
            tol=1e-8,
            max_iter=10_000,
        ).fit(features.numpy(), targets.numpy())
        ours = torch.softmax(features @ weight.T + bias, 1).numpy()
        np.testing.assert_allclose(ours, judge.predict_proba(features.numpy()), atol=2e-4)


def test_the_head_takes_features_as_they_are() -> None:
    """Its features are scaled within; a feature that says nothing has no weight."""
    features, targets = clouds(3, (20, 20, 20), spread=0.3)
    weight, bias = fit_head(features, targets, 3, torch.ones(3, dtype=torch.float64), 0.1)
    assert torch.isfinite(weight).all()
    assert weight[:, 5].abs().max() < 1e-9
    softest = features @ weight.T + bias
    losses = [
        float(torch.nn.functional.cross_entropy(factor * softest, targets, label_smoothing=0.1))
        for factor in (0.8, 1.0, 1.25)
    ]
    assert min(losses) == losses[1], "no other factor fits smoothed labels better"
    right = ((features @ weight.T + bias).argmax(1) == targets).double().mean()
    judge = LogisticRegression().fit(StandardScaler().fit_transform(features), targets)
    assert right >= judge.score(StandardScaler().fit_transform(features), targets) - 0.02


# --- in a run -------------------------------------------------------------------------------------


@pytest.fixture
def own(learned: Path, tmp_path: Path) -> Path:
    """New images, in classes one of which the network that tells stripes does not know."""
    data = make_stripes(tmp_path / "own", {"": 12}, size=18)
    (data / "level").rename(data / "flat")
    return data


def test_few_images_need_no_options(own: Path, learned: Path, train: Senet, tmp_path: Path) -> None:
    done = train(own, "--from", learned, "--epochs", 2, "-o", "tuned")
    assert done.returncode == 0, done.stderr
    assert "22 images: batch 8, 2 epochs, Adam, rate 0.001, augmentation scale, the head first" in done.stderr
    assert "the head alone, fitted to the features: " in done.stderr
    assert float(done.stdout.split("\t")[1]) == 100
    recipe = json.loads((tmp_path / "tuned" / "recipe.json").read_text())
    assert (recipe["probe"], recipe["choose"], recipe["balance"]) == (True, True, False)


def test_training_that_makes_it_worse_is_not_kept(
    own: Path, learned: Path, train: Senet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the run was stopped in between and went on."""
    epoch = Run._epoch

    def stop_after_one(run: Run, number: int) -> Any:
        if number == 2:
            raise KeyboardInterrupt
        return epoch(run, number)

    options = ("--from", learned, "--epochs", 2, "--lr", 0.3, "-o", "tuned")
    monkeypatch.setattr(module, "is_worse", lambda one, other: True)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_epoch", stop_after_one)
        assert train(own, *options).returncode == 130
    done = train("--resume", "-o", "tuned")
    assert done.returncode == 0, done.stderr
    assert "training all layers made it worse" in done.stderr
    before, after = (load_file(run / "model.safetensors") for run in (learned, tmp_path / "tuned"))
    same = {key for key, value in after.items() if np.array_equal(value, before[key])}
    assert same == {key for key in before if not key.startswith("head.")}
    assert float(done.stdout.split("\t")[1]) == 100


def test_a_run_ends_where_nothing_gets_better(learned: Path, train: Senet, tmp_path: Path) -> None:
    data = make_stripes(tmp_path / "data", {"train": 8, "val": 4}, size=18)
    done = train(data, "--from", learned, "--lr", 1e-9, "--patience", 1, "-o", "run")
    assert done.returncode == 0, done.stderr
    assert "nothing got better for 1 epochs: stopped, epoch " in done.stderr
    lines = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert len(lines) < 20
    done = train("--resume", "-o", "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "log.csv").read_text().splitlines() == lines
