"""A data set that a tiny network learns in seconds: stripes, in two directions."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Senet
from tests.environment import Done, Environment

FEW = ("--epochs", 6, "--batch-size", 16)

TINY = {
    "stem": {"type": "conv", "kernel": 3, "stride": 1, "channels": 16},
    "pool": None,
    "block": {"type": "basic"},
    "shortcut": {"kernel": 1},
    "se": {"reduction": 4, "bias": True},
    "depths": [1, 1],
    "widths": [16, 32],
    "classes": 10,
    "preprocess": {
        "resize": 16,
        "crop": 16,
        "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    },
    "labels": "cifar-10",
}


def stripes(path: Path, *, upright: bool, seed: int, size: int = 16) -> None:
    """Noisy stripes of random width and colour."""
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(size) * random.uniform(0.8, 2.0) + random.uniform(0, 6))
    grid = np.tile(wave, (size, 1)) if upright else np.tile(wave[:, None], (1, size))
    pixels = 128 + 60 * grid[..., None] * random.uniform(0.5, 1, 3) + random.normal(0, 20, (size, size, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def make_stripes(folder: Path, parts: dict[str, int], size: int = 16) -> Path:
    """`folder`/<part>/<class>/<number>.png; a part named "" puts the classes into the folder itself."""
    for salt, (part, count) in enumerate(parts.items()):
        for upright, name in ((True, "upright"), (False, "level")):
            for number in range(count):
                seed = 10_000 * salt + 2 * number + upright
                stripes(folder / part / name / f"{number:03}.png", upright=upright, seed=seed, size=size)
    return folder


def weights(run: Path) -> str:
    return hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stripes(tmp_path_factory.mktemp("striped"), {"train": 64, "val": 24})


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A manifest with the architecture `tiny`."""
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({"schema": 1, "architectures": {"tiny": TINY}}))
    return path


@pytest.fixture
def train(senet: Senet, tiny: Path) -> Senet:
    def run(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> Done:
        own = {"SENET_MANIFEST": str(tiny)} | (env or {})
        return senet("train", *arguments, env=own, **options)

    return run


@pytest.fixture(scope="session")
def learned(striped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "tiny.json").write_text(json.dumps({"schema": 1, "architectures": {"tiny": TINY}}))
    here = Environment(folder, {"SENET_MANIFEST": str(folder / "tiny.json")})
    done = here.run("train", striped, "--arch", "tiny", *FEW, "-o", folder / "My Stripes")
    assert done.returncode == 0, done.stderr
    assert "128 images of 2 classes, 48 held back" in done.stderr
    path, top1 = done.stdout.rstrip("\n").split("\t")
    assert path == str(folder / "My Stripes")
    assert float(top1) >= 90
    return folder / "My Stripes"
