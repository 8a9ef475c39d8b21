"""The table for people: bars, colours and widths, and no name or message that controls the terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.inference.records import ImageFailure, ImageResult, Prediction
from senet_cli.output.text import printable
from tests.output.outputs import ANY_NAME, BAD, GOOD, NOTHING, ODD_NAME, RECORDS, with_path, written

# --- table --------------------------------------------------------------------------------------


def bars(text: str, character: str = "━") -> list[int]:
    return [line.count(character) for line in text.splitlines() if "%" in line]


def test_a_table_has_a_heading_and_bars() -> None:
    scores = [Prediction("goldfinch", None, 11, 0.75), Prediction("brambling", None, 10, 0.25)]
    text = written([ImageResult("a/b.jpg", "m", (*scores, Prediction("junco", None, 13, 0.0)))], "table")
    heading, *rows = text.splitlines()
    assert heading.strip() == "a/b.jpg"
    assert [row.split()[:2] for row in rows] == [["1", "goldfinch"], ["2", "brambling"], ["3", "junco"]]
    assert [row.split()[-1] for row in rows] == ["75.00%", "25.00%", "0.00%"]
    assert bars(text) == [15, 5, 0]


def test_a_table_tells_failures_and_empty_answers() -> None:
    text = written([BAD, NOTHING], "table")
    assert "broken.jpg" in text
    assert "decode: damaged image: truncated" in text
    assert "dark.jpg" in text
    assert "no score is high enough" in text


def test_a_table_without_block_characters_is_ascii() -> None:
    text = written(RECORDS, "table", unicode=False)
    assert text.isascii()
    assert bars(text, "#") == [19, 0]


def test_colours_only_where_wanted() -> None:
    assert "\033" not in written(RECORDS, "table", colour=False)
    coloured = written(RECORDS, "table", colour=True)
    assert "\033[" in coloured
    assert re.sub(r"\033\[[0-9;]*m", "", coloured) == written(RECORDS, "table", colour=False)


def test_the_environment_does_not_colour_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\033" not in written(RECORDS, "table", colour=False)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_keeps_within_the_terminal(width: int) -> None:
    label = "a class with a name that is longer than any column of a table should ever be"
    records = [
        ImageResult(
            "x" * 300 + ".jpg", "m", (Prediction(label, None, 1, 1.0), Prediction("b", None, 2, 0.5))
        ),
        ImageFailure("y.jpg", "m", "decode", "why " * 60),
    ]
    text = written(records, "table", width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "x" * 300 in text.replace("\n", "")  # wrapped, not cut
    assert "100.00%" in text


@pytest.mark.parametrize("width", [50, 60, 80])
def test_no_word_is_broken_that_fits_on_a_line(width: int) -> None:
    labels = ["black-and-tan coonhound", "Old English sheepdog, bobtail", "Black_footed_Albatross_of_the_sea"]
    scores = tuple(Prediction(label, None, rank, 0.3) for rank, label in enumerate(labels))
    failure = ImageFailure("photographs/y.jpg", "m", "decode", "damaged image: the compressed data end early")
    text = written([ImageResult("photographs/x.jpg", "m", scores), failure], "table", width=width)
    words = {*" ".join([*labels, failure.message]).split()}
    assert words <= {*text.split()}
    assert max(map(len, text.splitlines())) <= width
    assert text.count("30.00%") == 3


# --- a line for each image ----------------------------------------------------------------------


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [50, 80, 120])
def test_one_class_takes_one_line(width: int, unicode: bool) -> None:
    best = Prediction("a class with a name that is longer than any column of a table", None, 1, 0.5)
    short = Prediction("ship", None, 1, 1.0)
    records = [
        ImageResult("a.jpg", "m", (short,)),
        ImageResult("/a/folder/whose/name/is/long/and/then/some/more/of/it/b.jpg", "m", (best,)),
        ImageResult("c" * 200 + ".jpg", "m", (short,)),
        ImageResult("d.jpg", "m", ()),
    ]
    lines = written(records, "table", width=width, brief=True, unicode=unicode).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    assert lines[0].split() == ["100.00%", "ship", "a.jpg"]
    assert lines[1].endswith("/b.jpg")
    assert "a class with" in lines[1]
    assert lines[2].endswith("ccc.jpg")
    assert "no score" in lines[3]
    assert unicode or "".join(lines).isascii()


def test_a_failure_in_a_line_says_why() -> None:
    text = written([ImageFailure("y.jpg", "m", "missing", "no such file")], "table", width=50, brief=True)
    assert " ".join(text.split()) == "failed no such file y.jpg"
    long = ImageFailure("y.jpg", "m", "decode", "damaged image: the data end too early")
    first, second = written([long], "table", width=50, brief=True).splitlines()
    assert first.split() == ["failed", "decode", "y.jpg"]
    assert second.strip() == long.message


def test_names_do_not_control_the_terminal() -> None:
    name = "\033[31mred\033]0;title\007\rover\b\x9b2J\u202egpj.exe\u200b\x00\x7f\nnext.jpg"
    text = written([with_path(GOOD, name), with_path(BAD, name)], "table")
    assert all(character.isprintable() or character == "\n" for character in text)
    joined = text.replace("\n", "")
    assert (
        "\\x1b[31mred\\x1b]0;title\\x07\\rover\\x08\\x9b2J\\u202egpj.exe\\u200b\\x00\\x7f\\nnext.jpg"
        in joined
    )


def test_messages_do_not_control_the_terminal() -> None:
    text = written([ImageFailure("a.jpg", "m", "decode", "bad \033[2J\ntag")], "table")
    assert "\033" not in text
    assert "bad \\x1b[2J\\ntag" in text


def test_markup_in_names_is_text() -> None:
    text = written([with_path(GOOD, "[bold red]x[/] :smile: [link=http://a]y[/link].jpg")], "table")
    assert text.startswith("[bold red]x[/] :smile: [link=http://a]y[/link].jpg")


def test_a_table_shows_undecodable_names_as_escapes() -> None:
    assert written([with_path(NOTHING, ODD_NAME)], "table").startswith("caf\\udce9/\\udcff\\udcfe.jpg\n")


# --- printable ----------------------------------------------------------------------------------


def test_printable_leaves_readable_text_alone() -> None:
    for text in ("", "a b.jpg", "ä 鳥 🐦.jpg", "it's [1] & <2> \\n"):
        assert printable(text) == text


@given(st.text() | ANY_NAME)
def test_printable_is_printable(text: str) -> None:
    result = printable(text)
    assert result.isprintable()
    result.encode()
    assert len(result) >= len(text)
    assert (result == text) == text.isprintable()
