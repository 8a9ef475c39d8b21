"""What the tests of `predict` share: the networks they name, and what is read off their results."""

from __future__ import annotations

import json
import subprocess
from typing import Any

MODEL = "seresnet32-cifar10"
NAME = "seresnet32-cifar10.cutmix"
ARCHITECTURE = "seresnet32-cifar-leeyeonsu"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

Done = subprocess.CompletedProcess[str]
Scores = dict[int, float]


def records(done: Done) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def scores(record: Any) -> Scores:
    return {best["index"]: best["score"] for best in record["predictions"]}


def rows(done: Done) -> list[list[str]]:
    """Of TSV."""
    return [line.split("\t") for line in done.stdout.splitlines()]


def assert_clean(done: Done) -> None:
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "bug in senet" not in done.stderr
