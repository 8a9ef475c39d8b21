"""The README is true: its commands run, its tables are the code's."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import ExitCode
from senet_cli.images.decode import FORMATS
from senet_cli.weights.publishers import WRITABLE
from tests.cli.commands import every_command
from tests.environment import Environment

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(mark: str, language: str) -> list[str]:
    return re.findall(rf"<!-- {mark} -->\n```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [line for block in blocks("run", "sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's reader has: photographs, and models that can be fetched.

    The models are a small network with random weights under the names of the big ones, fetched from a file.
    """
    import torch

    from senet_cli.nets.network import build_network
    from senet_cli.weights.publishers.cadene import CADENE

    folder = tmp_path_factory.mktemp("reader")
    (folder / "photos" / "more").mkdir(parents=True)
    shutil.copy(PROJECT / "examples" / "airplane.jpg", folder / "bird.jpg")
    for name in ("n01531178_goldfinch.JPEG", "boat.JPEG", "more/plane.JPEG"):
        shutil.copy(PROJECT / "examples" / "ship.jpg", folder / "photos" / name)

    for number in range(4):
        for kind, photo in (("cat", "airplane"), ("dog", "ship")):
            (folder / "pets" / kind).mkdir(parents=True, exist_ok=True)
            image = (PROJECT / "examples" / f"{photo}.jpg").read_bytes()
            (folder / "pets" / kind / f"{number}.jpg").write_bytes(image + b"%d" % number)

    spec = load_manifest().architecture("seresnet20-cifar").spec
    torch.manual_seed(0)
    state = {CADENE.key(key): value for key, value in build_network(spec).state_dict().items()}
    weights = folder / "small.pth"
    torch.save(state, weights)
    preprocess = {"resize": 32, "crop": 32, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}
    entry = {
        "publisher": "test",
        "architecture": "seresnet20-cifar",
        "preprocess": preprocess,
        "licence": {"name": "none"},
        "files": [
            {
                "urls": [weights.as_uri()],
                "format": "torch",
                "layout": "cadene",
                "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            }
        ],
    }
    checkpoints = {"seresnet50.a2": entry, "seresnet101.cadene": entry}
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "checkpoints": checkpoints}))
    return folder


def environment(reader: Path) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {
        "SENET_CACHE": str(reader / "cache"),
        "SENET_MODELS": str(reader / "models"),
        "SENET_MANIFEST": str(reader / "manifest.json"),
    }
    return os.environ | own | {"PATH": programs}


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 15
    assert len(blocks("command: classify", "sh")) == len(blocks("command: test", "sh")) == 1


@pytest.mark.skipif(os.name == "nt", reason="the recipes are for a POSIX shell")
@pytest.mark.parametrize("command", COMMANDS)
def test_recipe(command: str, reader: Path) -> None:
    if re.search(r"[|<>&]", command):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=reader,
            env=environment(reader),
            capture_output=True,
            text=True,
            check=False,
        )
    else:
        program, *arguments = shlex.split(command)
        assert program == "senet"
        done = Environment(reader, environment(reader)).run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    writes_a_file = " -o " in command or " > " in command
    assert done.stdout or writes_a_file or "--min-score" in command or "cache rm" in command


def test_python_example(reader: Path) -> None:
    (code,) = blocks("python", "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\nprint(features.shape, 'seresnet50.a2' in names)"],
        cwd=reader,
        env=environment(reader),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(2, 64) True"


def test_exit_codes_are_the_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [
        (code.value, code.meaning) for code in ExitCode
    ]


def test_settings_are_the_settings() -> None:
    """Every SENET_ variable of the code is in the README, and the other way round."""
    code = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "senet_cli").rglob("*.py"))
    named = re.compile(r"SENET_[A-Z]+(?:_[A-Z]+)*")
    ours = {"SENET_TEST_DATA"}  # read by tests only
    assert set(named.findall(README)) - ours == set(named.findall(code))


def test_formats_are_the_formats() -> None:
    read = README.partition("Read are ")[2].partition(";")[0].upper()
    spelled = {"DIB": "BMP", "PPM": "PPM"}
    assert all(spelled.get(name, name) in read for name in FORMATS)


def test_every_option_in_the_readme_exists() -> None:
    commands = every_command().values()
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    known |= {"--install-completion", "--torch-backend"}  # Typer's, and uv's
    used = set(re.findall(r"(?<=[\s`])--[a-z][a-z0-9-]*", README))
    assert used
    assert used - known == set()


def test_the_layouts_are_those_that_can_be_written() -> None:
    """But for the variants of a publisher's own, which `export` chooses by itself."""
    (sentence,) = re.findall(r"`export` takes the layouts (.*?),\s+and prints", README, re.DOTALL)
    variants = {name for name in WRITABLE if name.startswith(("timm-", "pytorchcv-"))}
    assert set(re.findall("`(.*?)`", sentence)) == WRITABLE.keys() - variants


def test_the_checkpoints_are_counted_right() -> None:
    """`scripts/checkpoints_page.py` writes the counts; whatever form they have, there is one number only."""
    assert {*re.findall(r"\b(\d+)\s\w+\scheckpoints\b", README)} == {
        str(len(load_manifest().checkpoints) - 1)
    }


def test_the_picture_is_there() -> None:
    (picture,) = re.findall(r"!\[.*?\]\((.+?)\)", README)
    assert "<svg" in (PROJECT / picture).read_text(encoding="utf-8")
