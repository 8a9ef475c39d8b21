"""`senet predict` between other programs of the shell, and the images it is given, by any way."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.predictions import CLASSES, Done, records, rows, scores
from tests.conftest import Senet

# --- in the shell -------------------------------------------------------------------------------


def test_find_predict_and_cut(shell: Callable[..., Done], data: Path, photos: list[Path]) -> None:
    script = """
cd "$1"
find photos -name '*.JPEG' -print0 | senet predict --from-file - -0 --format tsv -k 1 -q | cut -f1,3
echo "${PIPESTATUS[@]}" >&2
"""
    done = shell(script, data)
    assert done.stderr == "0 0 0\n"
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert sorted(path for path, _ in found) == [f"photos/{photo.name}" for photo in photos]
    assert {label for _, label in found} <= set(CLASSES)
    assert len({label for _, label in found}) > 5


def test_a_file_and_then(shell: Callable[..., Done], few: Path, tmp_path: Path) -> None:
    done = shell("senet predict few -k1 --format csv -o out.csv && echo ok")
    assert done.stdout == "ok\n"
    assert done.stderr.endswith("wrote out.csv\n")
    text = (tmp_path / "out.csv").read_bytes().decode()
    header, *body = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["path", "rank", "label", "score", "id", "index", "error"]
    assert [row[0] for row in body] == [f"few/{photo.name}" for photo in sorted(few.iterdir())]
    assert not (tmp_path / "out.csv.partial").exists()


def test_head_closes_the_pipe(shell: Callable[..., Done], few: Path) -> None:
    photo = next(few.iterdir())
    script = 'yes "$1" | senet predict --from-file - -k 1 -q | head -n 5; echo "${PIPESTATUS[1]}" >&2'
    done = shell(script, photo)
    assert done.stderr == "141\n"
    assert len(done.stdout.splitlines()) == 5


def test_odd_names_through_the_shell(shell: Callable[..., Done], few: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    source = str(next(few.iterdir()))
    nasty = [
        b"caf\xe9.jpg",
        b"a\nb\tc.jpg",
        b"-k.jpg",
        b'"quoted", x.jpg',
        "ä 🐦.jpg".encode(),
        b"\x1b[31m.jpg",
    ]
    for name in nasty:
        shutil.copyfile(os.fsencode(source), os.fsencode(odd) + b"/" + name)
    script = "find odd -name '*.jpg' -print0 | sort -z | senet predict --from-file - -0 -k 1 --format jsonl"
    done = shell(script)
    assert done.returncode == 0, done.stderr
    assert [os.fsencode(record["path"]) for record in records(done)] == sorted(
        b"odd/" + name for name in nasty
    )
    walked = shell("senet predict -k 1 odd ./odd/-k.jpg")
    assert walked.returncode == 0, walked.stderr
    assert walked.stdout.count("\n") == len(nasty) + 1


# --- sources ------------------------------------------------------------------------------------


def test_the_same_photo_by_any_way_has_the_same_scores(predict: Senet, few: Path, tmp_path: Path) -> None:
    photo = sorted(few.iterdir())[3]
    for name in ("here.JPEG", "no-extension", "wrong.png"):
        shutil.copy(photo, tmp_path / name)
    (tmp_path / "list").write_text("no-extension\nwrong.png\n")
    (alone,) = records(predict(photo, "-k", 10, "--format", "jsonl", "-q"))
    ways = [
        *("here.JPEG", "*.JPEG", f"few/{photo.name}", "few", "-", "--from-file", "list", "-k", "10"),
        *("--format", "jsonl", "-q"),
    ]
    runs = [
        predict(*ways, stdin=photo.read_bytes()),
        predict(*ways, "--batch-size", "1", "--jobs", "1", stdin=photo.read_bytes()),
        predict(*ways, "--batch-size", "5", "--jobs", "3", stdin=photo.read_bytes()),
    ]
    in_folder = [f"few/{name}" for name in sorted(os.listdir(few))]  # noqa: PTH208 - bytewise
    for done in runs:
        assert (done.returncode, done.stderr) == (0, "")
        found = records(done)
        paths = ["here.JPEG", "here.JPEG", f"few/{photo.name}", *in_folder, "-", "no-extension", "wrong.png"]
        assert [record["path"] for record in found] == paths
        same = [
            record for record in found if record["path"] in {*paths[:3], "-", "no-extension", "wrong.png"}
        ]
        assert len(same) == 7
        for record in same:
            assert scores(record) == pytest.approx(scores(alone), abs=1e-5, rel=0)
        others = [record for record in found if record not in same]
        assert all(scores(other) != pytest.approx(scores(alone), abs=1e-3) for other in others)
    for others in zip(*map(records, runs), strict=True):
        first, *rest = map(scores, others)
        assert all(other == pytest.approx(first, abs=1e-5, rel=0) for other in rest)


def test_an_image_from_a_process_substitution(shell: Callable[..., Done], few: Path) -> None:
    done = shell('senet predict -k 1 <(cat "$1") --from-file <(echo "$1")', next(few.iterdir()))
    assert done.returncode == 0, done.stderr
    substituted, listed = (line.split("\t") for line in done.stdout.splitlines())
    assert substituted[0].startswith("/dev/fd/")
    assert substituted[1:] == listed[1:]


def test_files_passed_over_are_told_and_a_failure_fails_only_itself(predict: Senet, few: Path) -> None:
    (few / "notes.txt").write_text("no image")
    (few / "a-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    (few / "z-empty.png").touch()
    (few / "z-gone.png").symlink_to("nowhere")
    done = predict(few, "-k", 2)
    assert done.returncode == 1
    errors = [(Path(row[0]).name, row[1], row[6]) for row in rows(done) if row[6]]
    assert errors == [
        ("a-broken.jpg", "0", "decode"),
        ("z-empty.png", "0", "empty"),
        ("z-gone.png", "0", "missing"),
    ]
    assert len(rows(done)) == 8 * 2 + 3
    assert "3 of 11 images could not be classified" in done.stderr
    assert re.search(
        rf"passed over 1 file without an image extension, such as {few}/notes\.txt$", done.stderr, re.M
    )
    assert predict(few, "-k", 2, "-q").stderr == ""


def test_a_pattern_without_matches_is_not_passed_over_in_silence(predict: Senet, few: Path) -> None:
    """It may be a file that is gone, such as one with brackets in its name."""
    photo = next(few.iterdir())
    done = predict(photo, "shot [1].jpg", "-k", 1)
    assert rows(done)[0][0] == str(photo)
    assert "shot [1].jpg" in done.stdout + done.stderr
