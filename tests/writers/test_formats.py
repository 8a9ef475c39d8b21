"""What each format looks like, to the byte where scripts depend on it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.errors import DiskError, OutputClosed
from senet_cli.records import ImageFailure, ImageResult, Prediction, Record, as_dict, round_score
from senet_cli.writers import FORMATS, make_writer, open_output
from senet_cli.writers.base import COLUMNS, Format, Output
from senet_cli.writers.text import printable

BEST = Prediction("goldfinch", "n01531178", 11, 0.93)
SECOND = Prediction("brambling", None, 10, 0.0123456789)
GOOD = ImageResult("a/b.jpg", "seresnet50.a2", (BEST, SECOND))
NOTHING = ImageResult("dark.jpg", "seresnet50.a2", ())
BAD = ImageFailure("broken.jpg", "seresnet50.a2", "decode", "damaged image: truncated")
RECORDS: list[Record] = [GOOD, NOTHING, BAD]

ODD_BYTES = b"caf\xe9/\xff\xfe.jpg"
ODD_NAME = ODD_BYTES.decode(errors="surrogateescape")
NASTY = 'tab\there "quoted", back\\slash\r\nline\rend;=1+1 ä 🐦.jpg'


def written(records: Iterable[Record], name: Format, **options: Any) -> str:
    writer = make_writer(name, **options)
    return writer.begin() + "".join(map(writer.record, records)) + writer.end()


def with_path(record: Record, path: str) -> Record:
    if isinstance(record, ImageFailure):
        return ImageFailure(path, record.model, record.kind, record.message)
    return ImageResult(path, record.model, record.predictions)


ANY_NAME = st.binary(min_size=1).filter(lambda name: b"\0" not in name).map(os.fsdecode)
RECORD = st.sampled_from(RECORDS)


# --- TSV ----------------------------------------------------------------------------------------


def test_tsv_is_rows_without_a_header() -> None:
    assert written(RECORDS, "tsv") == (
        "a/b.jpg\t1\tgoldfinch\t0.93\tn01531178\t11\t\n"
        "a/b.jpg\t2\tbrambling\t0.0123457\t\t10\t\n"
        "dark.jpg\t0\t\t\t\t\t\n"
        "broken.jpg\t0\t\t\t\t\tdecode\n"
    )
    assert written([], "tsv") == ""


def test_tsv_escapes_what_would_break_a_row() -> None:
    (line,) = written([with_path(NOTHING, "a\tb\nc\\d\re\\n")], "tsv").splitlines()
    assert line == "a\\tb\\nc\\\\d\\re\\\\n" + "\t0" + "\t" * 5


def unescaped(text: str) -> str:
    letters = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    return re.sub(r"\\(.)", lambda match: letters[match[1]], text)


@given(RECORD, ANY_NAME)
def test_tsv_brings_back_any_name(record: Record, name: str) -> None:
    text = written([with_path(record, name)], "tsv")
    lines = text.split("\n")
    assert lines.pop() == ""
    assert len(lines) == max(1, len(getattr(record, "predictions", ())))
    for line in lines:
        cells = line.split("\t")
        assert len(cells) == len(COLUMNS)
        assert unescaped(cells[0]) == name


def test_tsv_keeps_the_bytes_of_odd_names(tmp_path: Path) -> None:
    target = tmp_path / "out.tsv"
    with open_output(target) as out:
        out.write(written([with_path(NOTHING, ODD_NAME)], "tsv"))
    assert target.read_bytes() == ODD_BYTES + b"\t0" + b"\t" * 5 + b"\n"


# --- CSV ----------------------------------------------------------------------------------------


def test_csv_is_rfc_4180_with_a_header() -> None:
    assert written(RECORDS, "csv") == (
        "path,rank,label,score,id,index,error\r\n"
        "a/b.jpg,1,goldfinch,0.93,n01531178,11,\r\n"
        "a/b.jpg,2,brambling,0.0123457,,10,\r\n"
        "dark.jpg,0,,,,,\r\n"
        "broken.jpg,0,,,,,decode\r\n"
    )
    assert written([], "csv") == "path,rank,label,score,id,index,error\r\n"


def test_csv_quotes_commas_quotes_and_line_ends() -> None:
    record = with_path(NOTHING, 'a,"b"\n.jpg')
    assert written([record], "csv").partition("\r\n")[2] == '"a,""b""\n.jpg",0,,,,,\r\n'
    comma = ImageResult("a.jpg", "m", (Prediction("airliner, jet", None, 404, 0.5),))
    assert 'a.jpg,1,"airliner, jet",0.5,,404,\r\n' in written([comma], "csv")


@given(st.lists(st.tuples(RECORD, ANY_NAME)))
def test_csv_brings_back_any_name(named: list[tuple[Record, str]]) -> None:
    text = written([with_path(record, name) for record, name in named], "csv")
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(header) == COLUMNS
    expected = [
        name for record, name in named for _ in range(max(1, len(getattr(record, "predictions", ()))))
    ]
    assert [row[0] for row in rows] == expected
    assert {len(row) for row in rows} <= {len(COLUMNS)}


def test_the_columns_are_the_published_ones() -> None:
    assert COLUMNS == ("path", "rank", "label", "score", "id", "index", "error")


# --- JSON ---------------------------------------------------------------------------------------


def test_the_record_is_the_published_one() -> None:
    assert as_dict(GOOD) == {
        "schema": 1,
        "path": "a/b.jpg",
        "model": "seresnet50.a2",
        "predictions": [
            {"rank": 1, "index": 11, "id": "n01531178", "label": "goldfinch", "score": 0.93},
            {"rank": 2, "index": 10, "id": None, "label": "brambling", "score": 0.0123457},
        ],
    }
    assert as_dict(NOTHING) == {
        "schema": 1,
        "path": "dark.jpg",
        "model": "seresnet50.a2",
        "predictions": [],
    }
    assert as_dict(BAD) == {
        "schema": 1,
        "path": "broken.jpg",
        "model": "seresnet50.a2",
        "error": {"kind": "decode", "message": "damaged image: truncated"},
    }


def test_keys_come_in_a_fixed_order() -> None:
    assert list(as_dict(GOOD)) == ["schema", "path", "model", "predictions"]
    assert list(as_dict(GOOD)["predictions"][0]) == ["rank", "index", "id", "label", "score"]
    assert written([BAD], "jsonl").startswith('{"schema": 1, "path": "broken.jpg", "model": ')


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_one_array(count: int) -> None:
    text = written(RECORDS[:count], "json")
    assert json.loads(text) == [as_dict(record) for record in RECORDS[:count]]
    assert text.endswith("]\n")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_is_an_array_also_when_the_run_stops_early(count: int) -> None:
    """`begin`, some records and `end` is all that a run promises, whatever stopped it."""
    writer = make_writer("json")
    text = writer.begin()
    for record in RECORDS[:count]:
        text += writer.record(record)
        json.loads(text + make_writer("json").end())
    assert len(json.loads(text + writer.end())) == count


def test_json_puts_a_record_on_a_line() -> None:
    first, *lines, last = written(RECORDS, "json").splitlines()
    assert (first, last) == ("[", "]")
    assert [json.loads(line.rstrip(",")) for line in lines] == [as_dict(record) for record in RECORDS]


def test_jsonl_is_one_object_a_line() -> None:
    text = written(RECORDS, "jsonl")
    assert text.count("\n") == 3
    assert [json.loads(line) for line in text.split("\n")[:-1]] == [as_dict(record) for record in RECORDS]
    assert written([], "jsonl") == ""


@given(RECORD, ANY_NAME)
def test_json_brings_back_any_name_and_is_utf8(record: Record, name: str) -> None:
    named = with_path(record, name)
    for style, unpack in (("jsonl", lambda text: [json.loads(text)]), ("json", json.loads)):
        text = written([named], style)  # type: ignore[arg-type]
        text.encode()  # no lone surrogate is left in the text itself
        (back,) = unpack(text)
        assert back == as_dict(named)
        assert os.fsencode(back["path"]) == os.fsencode(name)
    line = written([named], "jsonl")
    assert line.count("\n") == 1
    assert line.endswith("\n")


def test_json_leaves_letters_readable() -> None:
    assert '"path": "ä 鳥 🐦.jpg"' in written([with_path(NOTHING, "ä 鳥 🐦.jpg")], "jsonl")
    assert f'"caf\\udce9/{chr(92)}udcff\\udcfe.jpg"' in written([with_path(NOTHING, ODD_NAME)], "jsonl")


# --- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "text", "number"),
    [
        (0.0, "0", 0.0),
        (1.0, "1", 1.0),
        (0.5, "0.5", 0.5),
        (1 / 3, "0.333333", 0.333333),
        (0.99999949, "0.999999", 0.999999),
        (0.99999951, "1", 1.0),
        (0.000123456789, "0.000123457", 0.000123457),
        (1.23456789e-9, "1.23457e-09", 1.23457e-9),
        (4.9e-324, "4.94066e-324", 5e-324),
    ],
)
def test_scores_have_six_significant_digits(score: float, text: str, number: float) -> None:
    record = ImageResult("a", "m", (Prediction("x", None, 0, score),))
    assert round_score(score) == number
    assert written([record], "tsv").split("\t")[3] == text
    assert written([record], "csv").splitlines()[1].split(",")[3] == text
    assert json.loads(written([record], "jsonl"))["predictions"][0]["score"] == number


@given(st.floats(0, 1))
def test_all_formats_say_the_same_score(score: float) -> None:
    record = ImageResult("a", "m", (Prediction("x", None, 0, score),))
    in_tsv = float(written([record], "tsv").split("\t")[3])
    in_json = json.loads(written([record], "jsonl"))["predictions"][0]["score"]
    assert in_tsv == in_json == pytest.approx(score, rel=1e-5)


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
    assert "nothing above --min-score" in text


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


# --- output -------------------------------------------------------------------------------------


@given(st.lists(RECORD, max_size=4), st.sampled_from(FORMATS))
def test_every_writer_adds_only_at_the_end(records: list[Record], name: Format) -> None:
    """What was written once stays, so that a reader may follow a running classification."""
    whole = written(records, name)
    writer = make_writer(name)
    parts = [writer.begin(), *map(writer.record, records), writer.end()]
    assert "".join(parts) == whole
    assert all(parts[1:-1])


def test_a_file_gets_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    target, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"
    target.write_text("older")
    with open_output(target) as out:
        out.write("newer\r\n")
        assert partial.read_bytes() == b"newer\r\n"  # flushed, for who looks on
        assert target.read_text() == "older"
    assert target.read_bytes() == b"newer\r\n"
    assert not partial.exists()


def stopped_run(target: Path, error: BaseException) -> None:
    with open_output(target) as out:
        out.write("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DiskError("full"), ZeroDivisionError()])
def test_what_stops_a_run_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.csv"
    target.write_text("older")
    with pytest.raises(type(error)):
        stopped_run(target, error)
    assert target.read_text() == "older"
    assert (tmp_path / "out.csv.partial").read_text() == "half"


def test_a_file_that_cannot_be_written_is_a_disk_error(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "folder" / "out.csv", tmp_path):
        with pytest.raises(DiskError, match="writing"), open_output(path):
            pytest.fail("there is nothing to write to")


def test_a_device_is_written_directly() -> None:
    with open_output(Path("/dev/null")) as out:
        out.write("anything")
    assert not Path("/dev/null.partial").exists()


def test_a_full_disk_is_a_disk_error() -> None:
    with pytest.raises(DiskError, match="No space left"), open_output(Path("/dev/full")) as out:
        out.write("anything")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the pipe, once more, at its close
def test_a_reader_that_went_away_is_no_error_of_the_disk() -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w")
    with pytest.raises(OutputClosed):
        Output(stream, "a pipe").write("anything")
    with pytest.raises(BrokenPipeError):
        stream.close()
