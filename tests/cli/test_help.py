"""What help looks like: groups, examples, any width; and what is said of a command line that is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from senet_cli.cli import help as pages
from senet_cli.cli.help import GENERAL, Commands, group_of, spelled
from senet_cli.cli.values import takes
from tests.cli.commands import completions, every_command, modules_of_commands
from tests.conftest import Senet
from tests.sweeps import every

COMMANDS = every_command()
SHOWN = [name for name, command in COMMANDS.items() if not command.hidden]
OPTIONS = [
    (name, option) for name in SHOWN for option in COMMANDS[name].params if option.param_type_name == "option"
]
GROUPS = {pages.INPUT, pages.MODEL, pages.TRAINING, pages.OUTPUT, pages.SPEED, pages.GENERAL}


def called(case: tuple[str, Any]) -> str:
    return f"{case[0]} {spelled(case[1])}"


# --- groups -------------------------------------------------------------------------------------


@every("case", OPTIONS, called)
def test_every_option_says_its_group(case: tuple[str, Any]) -> None:
    assert case[1].rich_help_panel in GROUPS
    assert case[1].help


@every("name", SHOWN)
def test_every_argument_says_what_it_is(name: str) -> None:
    assert all(p.help for p in COMMANDS[name].params if p.param_type_name == "argument")


def test_what_typer_adds_is_general() -> None:
    (option,) = [p for p in COMMANDS["predict"].params if p.name == "quiet"]
    assert group_of(option) == GENERAL


@every("name", [*SHOWN, ""])
def test_what_matters_first_and_the_examples_are_of_the_command(name: str) -> None:
    from typer.main import get_command

    from senet_cli.cli.app import app

    command: Any = COMMANDS[name] if name else get_command(app)
    names = {parameter.name for parameter in command.params}
    assert {*getattr(command, "first", ())} <= names
    for example in command.examples:
        for line in re.findall(r"senet ([^|&]*)", example):
            (of,) = {n for n in COMMANDS if f"{line} ".startswith(f"{n} ")} - {"help"} or {"help"}
            options = {o for p in COMMANDS[of].params for o in (*p.opts, *p.secondary_opts)}
            assert {*re.findall(r"(?<= )--?[a-z0-9][a-z0-9-]*", line)} <= options


def test_predict_shows_five_options_first_then_groups(senet: Senet) -> None:
    page = senet("predict", "-h").stdout
    headings = re.findall(r"^(\S.*):$", page, re.MULTILINE)
    assert headings == ["Examples", "Most used", "Input", "Model", "Output", "Speed", "General"]
    first = page.partition("Most used:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (?:-., )?(--[a-z-]+|[A-Z]+)", first, re.MULTILINE) == [
        *("SOURCE", "--model", "--top-k", "--min-score", "--format", "--output"),
    ]


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [50, 80, 120])
@every("name", ["", *SHOWN])
def test_a_page_fits_and_speaks_one_way(senet: Senet, width: int, name: str) -> None:
    page = senet(*name.split(), "-h", env={"COLUMNS": str(width)}).stdout
    lines = page.splitlines()
    wide = [line for line in lines if len(line) > width and " " in line.strip()]
    assert not wide
    assert width < 120 or max(map(len, lines)) > 80 or len(lines) < 30
    assert not re.search(r"env var|<\w|\{|default: \(|\.\.\.\]?\.\.\.", page)
    told = re.findall(r"\[env:[^]]*\]", page)
    assert [text for text in told if not re.fullmatch(r"\[env: SENET_[A-Z_]+\]", text)] == []


def test_an_example_that_is_broken_can_be_typed_all_the_same(senet: Senet) -> None:
    page = senet("predict", "-h", env={"COLUMNS": "50"}).stdout
    shown = page.partition("Examples:\n")[2].partition("\n\n")[0]
    assert [line.strip() for line in re.sub(r" \\\n +", " ", shown).splitlines()] == [
        *COMMANDS["predict"].examples
    ]
    assert " \\\n" in shown


@every("name", SHOWN)
def test_help_is_also_a_command(senet: Senet, name: str) -> None:
    assert senet("help", *name.split()).stdout == senet(*name.split(), "-h").stdout


def test_help_of_nothing_and_of_what_is_not_there(senet: Senet) -> None:
    assert senet("help").stdout == senet().stdout
    done = senet("help", "predcit")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean `predict`?" in done.stderr
    assert completions("senet help ca") == ["cache"]
    assert "rm" in completions("senet help cache ")


def test_the_list_of_commands_takes_a_line_each_and_imports_none(senet: Senet) -> None:
    page = senet("-h", env={"COLUMNS": "80"}).stdout
    for name in SHOWN:
        assert " " in name or re.search(rf"^  {name}  +[A-Z].*\.$", page, re.MULTILINE), name
    assert "convert" not in page
    program = "import sys; from senet_cli.cli.app import app; app(['-h'], standalone_mode=False)"
    program += "; print(*(name for name in sys.modules if name.startswith('senet_cli.cli.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {*done.stdout.splitlines()[-1].split()} & modules_of_commands()


def test_a_group_alone_shows_its_help(senet: Senet) -> None:
    groups = [name for name, command in COMMANDS.items() if isinstance(command, Commands)]
    assert "cache" in groups
    for name in groups:
        done = senet(*name.split())
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == senet(*name.split(), "-h").stdout


# --- what is wrong ------------------------------------------------------------------------------

RESTRICTED = [case for case in OPTIONS if not case[1].is_flag and (takes(case[1]).kind not in (str,))]
LIBRARY = re.compile(r"Input should|valid|Value error|parse|unable|Error:|Usage:|Try ")
"""Words of Typer's and of its validation library."""


@every("case", [case for case in RESTRICTED if takes(case[1]).metavar != "FILE"], called)
def test_a_value_that_is_wrong_is_told_in_our_words(senet: Senet, case: tuple[str, Any]) -> None:
    name, option = case
    done = senet(*name.split(), spelled(option), "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: `{spelled(option)}` takes ")
    assert "not `nonsense`" in done.stderr
    assert done.stderr.endswith(f"hint: `senet {name} -h` explains it.\n")
    assert not LIBRARY.search(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict --top-k 0 a", "`--top-k` takes a whole number from 1 on, not `0`"),
        ("predict --min-score nan a", "`--min-score` takes a number from 0 to 1, not `nan`"),
        ("predict --engine x a", "`--engine` takes auto, torch or openvino, not `x`"),
        ("predict --device gpu a", "`--device` takes auto, cpu, cuda, cuda:N or mps, not `gpu`"),
        ("predict --batch-size 0 a", "`--batch-size` takes `auto` or a whole number from 1 on, not `0`"),
        ("benchmark x --batch 1,y", "`--batch-size` takes `auto` or a whole number from 1 on, not `y`"),
        ("predict -k", "`-k` needs a value"),
        ("predict --strict=yes a", "`--strict` takes no value"),
        ("predict -Z a", "there is no option `-Z`"),
        ("evaluate", "`DATA` is missing"),
        ("evaluate d", "`--model` is missing"),
        ("info a b c", "`b c` was not expected"),
        ("cache rmm", "there is no command `rmm`"),
    ],
)
def test_what_is_wrong_is_said_in_one_form(senet: Senet, arguments: str, message: str) -> None:
    done = senet(*arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"error: {message}"
    assert done.stderr.splitlines()[1].startswith("hint: ")
    assert not LIBRARY.search(done.stderr)


def test_what_is_almost_an_option_or_a_command_gets_suggestions(senet: Senet) -> None:
    assert "hint: Did you mean `--device`? `senet predict -h`" in senet("predict", "--devic", "cpu").stderr
    assert "hint: Did you mean `rm`? `senet cache -h`" in senet("cache", "rmm").stderr


def test_a_variable_that_is_wrong_is_called_by_its_name(senet: Senet) -> None:
    for variable in ("SENET_ENGINE", "SENET_DEVICE", "SENET_PRECISION", "SENET_BATCH_SIZE", "SENET_JOBS"):
        done = senet("predict", "a.jpg", env={variable: "nonsense"})
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {variable} takes ")
