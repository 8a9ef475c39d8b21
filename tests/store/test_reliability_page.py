"""docs/reliability.md promises a test for each row, which asserts the exit code and the words of that row."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_PAGE = _HERE.parents[1] / "docs" / "reliability.md"
_READ = {"outcome.said", "done.stderr", "said", "nursery.said()"}
"""What tests call the text that a user reads."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    fault: str
    code: int
    words: str
    test: str


def table() -> list[Row]:
    lines = [line for line in _PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert head == ["fault", "exit", "what the user reads", "what is kept", "test"]
    return [
        Row(fault, int(code), *re.fullmatch('"(.+)"', words).groups(), *re.fullmatch("`(.+)`", test).groups())
        for fault, code, words, _, test in rows
    ]


ROWS = table()


def all_tests() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in _HERE.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name, node


TESTS = dict(all_tests())


def asserted(test: ast.FunctionDef) -> Iterator[ast.Compare]:
    """The comparisons that its assert statements make."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
            yield node.test


def is_read(phrase: str, test: ast.FunctionDef) -> bool:
    """True if an assertion of this test says that the phrase is in something that a user reads.

    The phrase may also be one of the test's parameters that is called `words`.
    """
    given = any(phrase in text for decorator in test.decorator_list for text in texts(decorator))
    for comparison in asserted(test):
        left, (operator, *_), (right, *_) = comparison.left, comparison.ops, comparison.comparators
        there = any(phrase in text for text in texts(left)) or (given and ast.unparse(left) == "words")
        if there and isinstance(operator, ast.In) and ast.unparse(right) in _READ:
            return True
    return False


def texts(node: ast.AST) -> Iterator[str]:
    """Literal texts in an expression; of one with fields the parts between them."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def ends_with(code: int, test: ast.FunctionDef) -> bool:
    """True if an assertion of this test compares an exit code, or a list of them, with this one."""
    ended = re.compile(
        rf"(outcome\.code|done\.returncode|nursery\.end\(pid\)) == {code}"
        rf"|all_at_once\(.*\) == \[{code}\] \* \d+"
    )
    return any(ended.fullmatch(ast.unparse(comparison)) for comparison in asserted(test))


@pytest.mark.parametrize("row", ROWS, ids=[row.test for row in ROWS])
def test_row_is_tested(row: Row) -> None:
    assert row.test in TESTS, f"no test shows: {row.fault}"
    test = TESTS[row.test]
    assert is_read(row.words, test), f'{row.test} does not assert that the user reads "{row.words}"'
    assert ends_with(row.code, test), f"{row.test} does not assert that the exit code is {row.code}"


def test_each_row_has_a_test_of_its_own() -> None:
    assert len(ROWS) > 45
    assert [name for name, count in Counter(row.test for row in ROWS).items() if count > 1] == []


def test_names_of_tests_are_unique() -> None:
    """Else a row could mean another test than it seems to."""
    assert [name for name, count in Counter(name for name, _ in all_tests()).items() if count > 1] == []
