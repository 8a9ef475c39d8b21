"""Lines and tables that fit, with whole words."""

from __future__ import annotations

import pytest

from senet_cli.output.text import cells, columns, counted, filled, fitted, folded, wrapped

HEAD = ["class", "images", "most often mistaken for"]
ROWS = [
    ["great white shark", "1,000", "tiger shark (12)"],
    ["Old English sheepdog", "50", ""],
    ["虎鯨", "7", "great white shark (3)"],
]
NUMERIC = [False, True, False]


@pytest.mark.parametrize("width", [12, 30, 45, 80])
def test_a_table_fits_and_breaks_no_word(width: int) -> None:
    text = fitted([HEAD, *ROWS], NUMERIC, width)
    words = [word for row in ROWS for cell in row for word in cell.split()]
    assert {*words} <= {*text.replace(",\n", "\n").replace(", ", " ").split()} | {*text.split()}
    longest = max(cells(word) for row in [HEAD, *ROWS] for cell in row for word in cell.split())
    assert max(map(cells, text.splitlines())) <= max(width, longest + len("  images 1,000"))


def test_a_table_that_fits_anyway_or_is_for_a_file_is_left_alone() -> None:
    whole = columns([HEAD, *ROWS], NUMERIC)
    assert fitted([HEAD, *ROWS], NUMERIC, None) == fitted([HEAD, *ROWS], NUMERIC, 80) == whole


def test_a_table_that_cannot_fit_becomes_paragraphs() -> None:
    rows = [["model", *(f"n{number}" for number in range(9))], ["seresnet50.a2", *["12345.6"] * 9]]
    text = fitted(rows, [False] + [True] * 9, 50)
    assert text.startswith("seresnet50.a2\n  n0 12345.6, n1 12345.6, ")
    assert all(line.strip().startswith("n") for line in text.splitlines()[1:])
    assert max(map(len, text.splitlines())) <= 50


def test_columns_count_cells() -> None:
    assert columns([["虎鯨", "1"], ["abcd", "2"]], [False, True]) == "虎鯨  1\nabcd  2\n"


def test_lines_are_filled_with_whole_words() -> None:
    assert wrapped("one two  three", 8, first="- ", rest="  ") == ["- one", "  two", "  three"]
    assert wrapped("unbreakable word", 4) == ["unbreakable", "word"]
    assert wrapped("", 10) == [""]
    assert filled(["a b", "c"], 5, rest="  ", end=" \\") == ["a b \\", "  c"]


def test_one_thing_is_not_many() -> None:
    assert [counted(number, "image") for number in (0, 1, 1234)] == ["0 images", "1 image", "1,234 images"]


def test_only_what_fits_nowhere_is_folded() -> None:
    assert list(folded(["abcdefg", "hi", "虎鯨虎"], 4)) == ["abcd", "efg", "hi", "虎鯨", "虎"]
