"""150 unusual and hostile files through the command: one record each, in their place, whatever they hold."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from senet_cli.images.decode import FORMATS

READ_ALL_THE_SAME = {
    "exif_broken__pillow__chunk_no_fctl.png": "its first frame is good, the animation is not",
    "unidentified__image-rs_image-png__issue#430.png": "a profile is damaged",
    "unidentified__pillow__hopper_unknown_pixel_mode.tif": "colours of 32 bits",
    "unidentified__pillow__unknown_compression_method.png": "a profile of unknown compression",
}
"""What Pillow alone does not read."""

MODEL = "seresnet32-cifar10"
CLASSES = 10

OPTIONS = {
    "tsv": [],
    "csv": ["--batch-size", "1", "--jobs", "1"],
    "json": ["--batch-size", "7", "--jobs", "4"],
    "jsonl": ["--batch-size", "64", "--jobs", "2"],
}
STYLES = list(OPTIONS)

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""The network is so small that threads mostly wait for each other, on a busy machine 30 times as long."""

Row = dict[str, str]
Scores = dict[int, float]


@pytest.fixture(scope="module")
def listed(data: Path) -> list[Row]:
    """The rows of the manifest, with what must become of each file."""
    with (data / "odd" / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 150
    return [row | {"path": str(data / "odd" / row["file"]), "expected": expected(row)} for row in rows]


def expected(row: Row) -> str:
    """The kind of failure, or nothing for an image; the manifest tells what Pillow made of the file."""
    if row["bytes"] == "0":
        return "empty"
    if row["file"] in READ_ALL_THE_SAME:
        return ""
    known = row["format"] in (*FORMATS, "MPO") or (not row["format"] and not row["file"].endswith(".ico"))
    if not known or row["open"].startswith("UnidentifiedImageError"):
        return "format"
    if row["open"].startswith("DecompressionBombError"):
        return "too_large"
    return "" if row["open"] == row["load_rgb"] == "ok" else "decode"


class Runs:
    """The command over the whole list, once for each format, each with other batches and threads."""

    def __init__(self, listed: list[Row], cache: Path) -> None:
        self.done = {
            style: subprocess.run(
                [
                    *(sys.executable, "-m", "senet_cli", "predict", "--from-file", "-", "-0"),
                    *("-m", MODEL, "-k", str(CLASSES), "--format", style, *options),
                ],
                input=b"".join(os.fsencode(row["path"]) + b"\0" for row in listed),
                env=os.environ | {"SENET_CACHE": str(cache), "NO_COLOR": "1"} | ONE_THREAD,
                capture_output=True,
                check=False,
                timeout=120,
            )
            for style, options in OPTIONS.items()
        }

    def text(self, style: str) -> str:
        return self.done[style].stdout.decode(errors="surrogateescape")

    def rows(self, style: str) -> list[list[str]]:
        """Of TSV and CSV, without the header."""
        if style == "tsv":
            return [line.split("\t") for line in self.text(style).splitlines()]
        return list(csv.reader(io.StringIO(self.text(style), newline=""), strict=True))[1:]

    def records(self, style: str) -> list[Any]:
        """Of JSON and JSON lines."""
        text = self.text(style)
        return json.loads(text) if style == "json" else [json.loads(line) for line in text.splitlines()]

    def outcomes(self, style: str) -> Iterator[tuple[str, str, Scores]]:
        """Path, error and scores by class, in any format."""
        if style in ("json", "jsonl"):
            for record in self.records(style):
                scores = {best["index"]: best["score"] for best in record.get("predictions", ())}
                yield record["path"], record.get("error", {}).get("kind", ""), scores
            return
        rows = self.rows(style)
        while rows:
            count = CLASSES if rows[0][1] == "1" else 1
            own, rows = rows[:count], rows[count:]
            assert len({row[0] for row in own}) == 1
            yield own[0][0], own[0][6], {int(row[5]): float(row[3]) for row in own if row[5]}


@pytest.fixture(scope="module")
def runs(listed: list[Row], cifar_cache: Path) -> Runs:
    return Runs(listed, cifar_cache)


@pytest.mark.parametrize("style", STYLES)
def test_one_record_for_each_file_in_the_order_of_the_list(runs: Runs, listed: list[Row], style: str) -> None:
    assert runs.done[style].returncode == 1
    assert [path for path, _, _ in runs.outcomes(style)] == [row["path"] for row in listed]


@pytest.mark.parametrize("style", STYLES)
def test_what_can_be_loaded_is_classified_and_the_rest_has_its_kind(
    runs: Runs, listed: list[Row], style: str
) -> None:
    kinds = [row["expected"] for row in listed]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "": 97,
        "decode": 25,
        "format": 21,
        "too_large": 5,
        "empty": 2,
    }
    assert [(path, kind) for path, kind, _ in runs.outcomes(style)] == [
        (row["path"], row["expected"]) for row in listed
    ]
    for path, kind, scores in runs.outcomes(style):
        assert sorted(scores) == ([] if kind else list(range(CLASSES))), path
        assert kind or sum(scores.values()) == pytest.approx(1, abs=1e-5), path


@pytest.mark.parametrize("style", STYLES)
def test_nothing_but_our_own_words_on_standard_error(runs: Runs, style: str) -> None:
    lines = runs.done[style].stderr.decode().splitlines()
    own = re.compile(r"note: \d+ images done, .*|53 of 150 images could not be classified")
    assert [line for line in lines if not own.fullmatch(line)] == []
    assert lines[-1] == "53 of 150 images could not be classified"


def test_the_same_scores_whatever_the_batches_and_threads(runs: Runs) -> None:
    first = {path: scores for path, _, scores in runs.outcomes("tsv")}
    for style in ("csv", "json", "jsonl"):
        for path, _, scores in runs.outcomes(style):
            assert scores == pytest.approx(first[path], abs=1e-5), (style, path)


def test_the_records_have_exactly_the_published_keys(runs: Runs) -> None:
    for style in ("json", "jsonl"):
        for record in runs.records(style):
            last = "error" if "error" in record else "predictions"
            assert list(record) == ["schema", "path", "model", last]
            assert record["schema"] == 1
            assert record["model"] == "seresnet32-cifar10.cutmix"
            if last == "error":
                assert list(record["error"]) == ["kind", "message"]
                assert record["error"]["message"]


def test_csv_has_its_header_and_line_ends(runs: Runs) -> None:
    raw = runs.done["csv"].stdout
    assert raw.startswith(b"path,rank,label,score,id,index,error\r\n")
    assert raw.count(b"\r\n") == raw.count(b"\n") == 1 + 97 * CLASSES + 53
