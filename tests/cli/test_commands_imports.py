"""What each command imports: nothing heavy where nothing heavy is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from tests.cli.commands import imported, modules_of_commands

COMPLETING = {"_SENET_COMPLETE": "complete_bash", "COMP_WORDS": "senet info sere", "COMP_CWORD": "2"}


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        *(("--help", {}), ("--version", {}), ("predict --help", {}), ("download --help", {})),
        *(("list", {}), ("info seresnet50", {}), ("cache dir", {}), ("cache rm seresnet50", {})),
        *(("verify", {}), ("download seresnet50 --dry-run", {}), ("", COMPLETING)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_light_command_imports_nothing_heavy(command: str, environment: dict[str, str]) -> None:
    heavy = {"torch", "torchvision", "numpy", "PIL", "requests", "urllib3", "safetensors", "rich", "pydantic"}
    assert imported(*command.split(), **environment) & heavy == set()


def test_a_command_imports_no_other_command() -> None:
    program = """
import sys
from senet_cli.cli.app import app
app(["predict", "--help"], standalone_mode=False)
print(*sorted(name for name in sys.modules if name.startswith("senet_cli.cli.")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert len(modules_of_commands()) > 8
    assert loaded & modules_of_commands() == {"senet_cli.cli.predict"}


def test_a_download_imports_no_torch(data: Path) -> None:
    origin = data / "checkpoints" / "seresnet32_cifar10_cutmix.pt"
    packages = imported("download", "seresnet32-cifar10", "--from", origin)
    assert packages & {"torch", "torchvision", "numpy", "PIL", "requests"} == set()


def test_the_python_api_is_loaded_when_it_is_used() -> None:
    program = "import sys, senet_cli; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "'senet_cli'" in done.stdout
    for heavy in ("torch", "numpy", "PIL", "requests", "typer"):
        assert f"'{heavy}'" not in done.stdout


def test_prediction_imports_torch_but_not_torchvision(tmp_path: Path) -> None:
    import torch
    from PIL import Image

    from senet_cli.nets.network import build_network
    from senet_cli.weights.publishers.leeyeonsu import LEEYEONSU

    key = "seresnet32-cifar-leeyeonsu"
    state = build_network(load_manifest().architecture(key).spec).state_dict()
    torch.save({LEEYEONSU.key(name): value for name, value in state.items()}, tmp_path / "own.pth")
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    own = ("--weights", tmp_path / "own.pth", "--arch", key)
    packages = imported("predict", tmp_path / "a.png", *own, "-v")  # without -v native stderr is muted
    assert {"torch", "PIL", "numpy"} <= packages
    assert packages & {"torchvision", "requests", "timm"} == set()


def test_the_first_prediction_of_a_safetensors_file_imports_no_torch(tmp_path: Path) -> None:
    """Neither does converting it, importing it under a name, nor writing it in another layout."""
    ship = Path(__file__).parents[2] / "examples" / "ship.jpg"
    bundled = "seresnet32-cifar10.senet"
    out = tmp_path / "own.safetensors"
    commands: list[tuple[object, ...]] = [
        ("predict", ship, "-m", bundled, "--device", "cpu", "-v"),
        ("export", bundled, "--layout", "timm", "-o", out),
        ("import", out, "--name", "mine", "--arch", "seresnet32-cifar-leeyeonsu"),
        ("predict", ship, "-m", "mine", "--device", "cpu"),
        ("predict", ship, "--weights", out, "--arch", "seresnet32-cifar-leeyeonsu", "--device", "cpu"),
    ]
    for command in commands:
        assert imported(*command) & {"torch", "torchvision"} == set(), command
    assert out.is_file()
