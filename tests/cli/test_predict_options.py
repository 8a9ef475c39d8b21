"""Options of `senet predict` one by one: what they change, and what is wrong usage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.predictions import ARCHITECTURE, CLASSES, MODEL, assert_clean, records, rows, scores
from tests.conftest import Senet


def test_more_classes_than_there_are(predict: Senet, few: Path) -> None:
    done = predict(
        few, "-k", 50, "--format", "jsonl", "--device", "cpu", "--batch-size", "auto", "--jobs", "auto"
    )
    assert (done.returncode, done.stderr) == (0, "")
    for record in records(done):
        ranked = record["predictions"]
        assert [best["rank"] for best in ranked] == list(range(1, 11))
        assert sorted(best["index"] for best in ranked) == list(range(10))
        assert [best["score"] for best in ranked] == sorted((best["score"] for best in ranked), reverse=True)
        assert sum(best["score"] for best in ranked) == pytest.approx(1, abs=1e-5)
        assert all(best["label"] == CLASSES[best["index"]] for best in ranked)


def test_min_score(predict: Senet, few: Path) -> None:
    every = rows(predict(few, "-k", 10))
    bar = 0.3
    done = predict(few, "-k", 10, "--min-score", bar)
    assert (done.returncode, done.stderr) == (0, "")
    kept = [row for row in rows(done) if row[1] != "0"]
    assert kept == [row for row in every if float(row[3]) >= bar]
    assert 0 < len(kept) < len(every)
    strict = predict(few, "--min-score", 1)
    assert (strict.returncode, strict.stderr) == (0, "")
    assert [row[1:] for row in rows(strict)] == [["0", "", "", "", "", ""]] * 8


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_precisions(predict: Senet, few: Path, engine: str, precision: str) -> None:
    options = ["-k", 10, "--format", "jsonl", "--device", "cpu"]
    exact = records(predict(few, *options, "--engine", "torch"))
    done = predict(few, *options, "--engine", engine, "--precision", precision, "-v")
    if engine == "openvino" and "does not calculate" in done.stderr:
        assert done.returncode == 8
        pytest.skip(f"this processor does not calculate in {precision}")
    assert done.returncode == 0, done.stderr
    assert f"note: {engine} on cpu, {precision}\n" in done.stderr
    tolerance = {"fp32": 1e-5, "fp16": 0.01, "bf16": 0.06}[precision]
    worst = 0.0
    for record, expected in zip(records(done), exact, strict=True):
        assert scores(record) == pytest.approx(scores(expected), abs=tolerance, rel=0)
        worst = max(worst, *(abs(scores(record)[index] - scores(expected)[index]) for index in range(10)))
    assert (worst > 1e-5) == (precision != "fp32")  # it did run in that precision


def test_a_device_that_is_not_there(predict: Senet, few: Path) -> None:
    no_gpu = {"CUDA_VISIBLE_DEVICES": ""}
    done = predict(few, "--device", "cuda", env=no_gpu)
    assert (done.returncode, done.stdout) == (8, "")
    assert "error: the device `cuda` is not available\nhint: This machine offers cpu" in done.stderr
    assert predict(few, "--device", "auto", "-k", 1, env=no_gpu).returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        *(["--device", "gpu"], ["--precision", "fp8"], ["--batch-size", "0"], ["--batch-size", "many"]),
        *(["--jobs", "-1"], ["--jobs", "1.5"], ["-k", "0"], ["-k", "x"], ["--min-score", "1.1"]),
        *(["--min-score", "nan"], ["--format", "xml"], ["-0"], ["-"], ["--nonsense"]),
        *(["--weights", "w.pt"], ["--arch", ARCHITECTURE]),
    ],
    ids=" ".join,
)
def test_wrong_usage(predict: Senet, few: Path, options: list[str]) -> None:
    more = ["--from-file", "-"] if options == ["-"] else []
    done = predict(few, *options, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert_clean(done)


def test_two_models_are_wrong_usage(senet: Senet, few: Path) -> None:
    two = ["-m", MODEL, "--weights", "w.pt", "--arch", ARCHITECTURE]
    for env in ({}, {"SENET_MODEL": MODEL}):
        done = senet("predict", few, *two, env=env)
        assert (done.returncode, done.stdout) == (2, ""), env
        assert "`-m` and `--weights` are two models" in done.stderr


def test_no_source_is_wrong_usage(predict: Senet) -> None:
    done = predict()
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: there is nothing to classify\nhint: Name a file" in done.stderr


def test_nothing_to_classify(predict: Senet, tmp_path: Path) -> None:
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    for sources in (["empty"], ["notes"], ["*.jpg"], ["--from-file", "-"]):
        done = predict(*sources, stdin=b"")
        assert (done.returncode, done.stdout) == (3, ""), sources
        assert "error: no images were found" in done.stderr
    done = predict("notes")
    assert re.search(r"\(1 files? there ha(s|ve) no image extension\)", done.stderr)
    # an empty result file would look like an answer
    assert predict("empty", "-o", "out.csv").returncode == 3
    assert not (tmp_path / "out.csv").exists()
