"""What `import senet_cli` offers: every public name, all models, and nothing heavy before it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import senet_cli
from senet_cli import list_models
from senet_cli.catalogue.lookup import bundled_manifest
from tests.datasets.cifar import NAMES


def test_list_models_names_every_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list_models()
    assert len(names) == len(set(names))
    assert {"seresnet50.a2", "senet154.cadene", *NAMES} <= set(names)
    own = tmp_path / "own.json"
    manifest = json.loads(bundled_manifest().read_text())
    entry = manifest["checkpoints"]["seresnet32-cifar10.cutmix"] | {"aliases": []}
    own.write_text(json.dumps({"schema": 1, "checkpoints": {"mine.v1": entry}}))
    monkeypatch.setenv("SENET_MANIFEST", str(own))
    assert set(list_models()) == {*names, "mine.v1"}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import senet_cli", set()),
        ("import senet_cli; dir(senet_cli); senet_cli.__version__", set()),
        ("from senet_cli import Prediction", set()),
        ("import senet_cli; senet_cli.list_models()", set()),
        ("from senet_cli import Classifier", {"numpy", "PIL"}),
    ],
)
def test_importing_stays_light(statement: str, allowed: set[str]) -> None:
    heavy = {"torch", "torchvision", "numpy", "PIL", "requests", "rich", "typer"}
    code = f"import sys; {statement}; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= allowed


def test_every_public_name_is_there() -> None:
    for name in senet_cli.__all__:
        assert getattr(senet_cli, name).__name__ == name
    assert set(senet_cli.__all__) <= set(dir(senet_cli))
    assert isinstance(senet_cli.__version__, str)
    with pytest.raises(AttributeError, match="`Classifer`"):
        senet_cli.Classifer  # noqa: B018
