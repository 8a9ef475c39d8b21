"""Help, the version and suggestions of every command, and what is completed in the shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from tests.cli.commands import completions, every_command, manifest_with, script
from tests.conftest import Senet

COMMANDS = [name for name, command in every_command().items() if not command.hidden]


# --- help and version ---------------------------------------------------------------------------


def test_alone_it_shows_its_help(senet: Senet) -> None:
    alone, short, long = senet(), senet("-h"), senet("--help")
    assert alone.stdout == short.stdout == long.stdout
    assert (alone.returncode, short.returncode, long.returncode) == (0, 0, 0)
    assert (alone.stderr, short.stderr, long.stderr) == ("", "", "")
    for name in [command for command in COMMANDS if " " not in command] + ["--version"]:
        assert name in alone.stdout


def test_the_list_of_commands_is_the_apps() -> None:
    assert {"predict", "cache", "cache rm", "import"} <= {*COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(senet: Senet, command: str) -> None:
    long, short = senet(*command.split(), "--help"), senet(*command.split(), "-h")
    assert long.returncode == short.returncode == 0
    assert long.stdout == short.stdout
    assert long.stderr == ""
    assert long.stdout.startswith(f"Usage: senet {command} ")
    assert "--help" in long.stdout
    assert len(long.stdout.splitlines()) > 5


def test_an_old_name_works_and_is_not_listed(senet: Senet) -> None:
    hidden = {name for name, command in every_command().items() if command.hidden}
    assert hidden == {"convert"}
    assert "  convert  " not in senet().stdout
    assert completions("senet conv") == []
    done = senet("convert", "nonsense", "--layout", "senet")
    assert done.returncode == 4
    assert "note: `senet convert` is now called `senet export`" in done.stderr
    assert "now called" not in senet("export", "nonsense", "--layout", "senet").stderr


def test_the_version_is_that_of_the_package(senet: Senet) -> None:
    from importlib.metadata import version

    for option in ("--version", "-V"):
        done = senet(option)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"senet {version('senet')}\n", "")


def test_the_console_script_is_the_same_command() -> None:
    done = subprocess.run([script(), "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("senet ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lst", "list"), ("predcit", "predict"), ("downlod", "download"), ("verfy", "verify")],
)
def test_a_command_that_is_almost_right_gets_a_suggestion(senet: Senet, typed: str, meant: str) -> None:
    done = senet(typed)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"Did you mean `{meant}`" in done.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_an_unknown_option_is_wrong_usage(senet: Senet, command: str) -> None:
    done = senet(*command.split(), "--nonsense")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--nonsense" in done.stderr


# --- completion ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["info", "download", "download senet154", "verify", "cache rm", "predict -m", "predict a.jpg --model"],
)
def test_names_of_models_are_completed(line: str) -> None:
    expected = [name for name in load_manifest().checkpoints if name.startswith("seresnet50.")]
    assert len(expected) > 1
    assert completions(f"senet {line} seresnet50.") == expected


def test_families_come_first() -> None:
    assert completions("senet info senet")[0] == "senet154"
    assert completions("senet info vgg") == []
    assert len(completions("senet info ")) == len(load_manifest().names())


def test_commands_options_and_architectures_are_completed() -> None:
    assert completions("senet dow") == ["download"]
    assert "--architectures" in completions("senet list --a")
    assert completions("senet predict --arch senet154") == ["senet154", "senet154-caffe"]


def test_models_of_ones_own_are_completed(tmp_path: Path) -> None:
    path = manifest_with(tmp_path / "own.json")
    assert completions("senet info min", SENET_MANIFEST=str(path)) == ["mine"]


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', None])
def test_a_broken_manifest_completes_to_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "own.json").write_text(content)
    assert completions("senet info sere", SENET_MANIFEST=str(tmp_path / "own.json")) == []
