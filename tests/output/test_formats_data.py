"""The formats that programs read, TSV, CSV and JSON, to the byte where scripts depend on it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.inference.records import ImageResult, Prediction, Record, as_dict, round_score
from senet_cli.output.base import COLUMNS, open_output
from senet_cli.output.choose import make_writer
from tests.output.outputs import (
    ANY_NAME,
    BAD,
    GOOD,
    NOTHING,
    ODD_BYTES,
    ODD_NAME,
    RECORD,
    RECORDS,
    with_path,
    written,
)

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


def test_csv_for_spreadsheets_holds_no_formula() -> None:
    """Every cell that any spreadsheet would calculate is text; all others are as they were."""
    names = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
    ]
    fine = ["a=b.jpg", "'=1", " =1", "1-1", "", "ä.jpg", "a\n=1", 'a"=1', "a,=1"]
    label = ImageResult("x", "m", (Prediction("=cmd|' /C calc'!A0", "-id", 3, 0.5),))
    records = [*(with_path(BAD, name) for name in names + fine), label]
    plain = list(csv.reader(io.StringIO(written(records, "csv"), newline="")))
    safe = list(csv.reader(io.StringIO(written(records, "csv", inert=True), newline="")))
    assert [row[0] for row in plain[1:-1]] == names + fine
    assert [row[0] for row in safe[1:-1]] == [*(f"'{name}" for name in names), *fine]
    assert [row[1:] for row in safe[:-1]] == [row[1:] for row in plain[:-1]]
    assert safe[-1] == ["x", "1", "'=cmd|' /C calc'!A0", "0.5", "'-id", "3", ""]
