"""The library's messages name no flags and no commands; each of its next steps has words for the shell."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import senet_cli
from senet_cli.cli.hints import WORDS, hint, in_words
from senet_cli.errors import SenetError, Step, UsageError, advise

PACKAGE = Path(senet_cli.__file__).parent
FLAG = re.compile(r"(?:^|[\s`'\"(\[])(?:--?[A-Za-z]|-\d`)")
COMMAND = re.compile(r"`senet [a-z]|\bsenet (?:predict|train|evaluate|download|import|export|list|info) -")
ALLOWED = {
    ("tasks/benchmark/service.py", "_predict"): "the command line of a process that is measured",
    (
        "tasks/benchmark/processes.py",
        "seconds_of",
    ): "the same: options of Python",
    ("weights/publishers/senet.py", "_load"): "a result: the command that loads an exported file",
    ("catalogue/entries.py", ""): "a source in a manifest: what made the weights",
    ("tasks/train/run.py", "_checkpoint"): "the same",
}
"""Module and function that may hold a flag or a command outside `cli/`, and why."""


def library() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("cli/") and name != "__main__.py":
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def texts(node: ast.AST, function: str = "") -> Iterator[tuple[str, str]]:
    """Every string below a node that is not a statement by itself, with the function that it stands in."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield function, node.value
    parts: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.JoinedStr):
        yield function, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        parts = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    for part in parts:
        if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)):  # a docstring
            yield from texts(part, function)


def advised() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Every use of `advise`: where, the step, the names of its facts."""
    for name, tree in library():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "advise":
                (step,) = node.args
                assert isinstance(step, ast.Constant), f"{name}:{node.lineno}: a step is written out"
                yield f"{name}:{node.lineno}", str(step.value), frozenset(str(k.arg) for k in node.keywords)


def fields(words: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(words) if name is not None)


def test_what_counts_as_a_flag_and_a_command() -> None:
    flags = ("Use --device cpu.", "with `-0`", "-m", "--platform", "another -o.", "'--arch`", "-vq")
    assert all(FLAG.search(text) for text in flags)
    harmless = ("a-b", "seresnet50-cifar", "-1", " - ", "`-`", "--", "-0.5", "{:-^10}", "from -1 to 1")
    assert not [text for text in harmless if FLAG.search(text)]
    assert all(COMMAND.search(text) for text in ("`senet list` shows all", "senet predict -"))
    assert not COMMAND.search("senet reads it")


def test_only_the_command_line_names_flags_and_commands() -> None:
    found = {
        (name, function): text
        for name, tree in library()
        for function, text in texts(tree)
        if FLAG.search(text) or COMMAND.search(text)
    }
    assert {place: text for place, text in found.items() if place not in ALLOWED} == {}
    assert found.keys() == ALLOWED.keys(), "an exception that nothing needs"


def test_every_step_has_words_and_every_word_is_used() -> None:
    steps = set(get_args(Step))
    assert set(WORDS) == steps
    assert {step for _, step, _ in advised()} == steps


def test_every_advice_has_the_facts_that_its_words_need() -> None:
    wrong = {where: step for where, step, facts in advised() if facts != fields(WORDS[step])}  # type: ignore[index]
    assert wrong == {}


def test_words_are_sentences_that_name_a_flag_or_a_command() -> None:
    for step, words in WORDS.items():
        assert words.endswith((".", "?")), step
        assert FLAG.search(words) or COMMAND.search(words) or "senet" in words, step


def test_steps_are_told_in_order_and_facts_are_quoted_for_the_shell() -> None:
    error = UsageError("it is so", "Look.", advise("install-as", name="a.b", path="my file"), "", "Then go.")
    assert hint(error) == (
        "Look. Install it with `senet download a.b --from 'my file'`, then use it with `-m a.b`. Then go."
    )
    assert error.hint == "Look. Then go."
    assert str(error) == "it is so\nLook. Then go."
    assert hint(SenetError("no more to say")) == ""
    assert in_words(advise("freeze-fewer", stages=4)) == "Give `--freeze 4` or less."
