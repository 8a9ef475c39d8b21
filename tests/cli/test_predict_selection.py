"""`predict --summary`, `--only` and names alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from senet_cli.cli.summary import summary
from senet_cli.output.tally import Tally
from senet_cli.output.text import cells
from tests.cli.predictions import records, rows
from tests.conftest import Senet


def tally(**labels: int) -> Tally:
    found = Tally()
    for label, count in labels.items():
        for _ in range(count):
            found.add(None, label)
    return found


# --- summary ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_summary_fits_the_width_and_keeps_words_whole(width: int) -> None:
    found = tally(cat=118, dog=3)
    long = (
        "a class that is called by a whole sentence of words and goes on for longer than any line is wide "
        * 2
    )
    found.add(None, long.strip())
    found.add("decode", None)
    found.add("missing", None)
    found.add("missing", None)
    found.add(None, None)
    lines = summary(found, width, unicode=True, only=False, everything=False)
    assert max(map(cells, lines)) <= width
    assert lines[0] == "126 images, 3 classes, 3 failed"
    counts = [line.split(maxsplit=1)[0] for line in lines[1:] if line.lstrip()[:1].isdigit()]
    assert counts == ["118", "3", "1", "1", "2", "1"]
    assert {*long.split()} <= {*" ".join(lines).split()}
    words = " ".join(" ".join(lines).split())
    for said in ("(no score is high enough)", "failed: missing", "failed: decode", " 93.7%"):
        assert said in words


def test_bars_say_the_shares_and_need_neither_colour_nor_unicode() -> None:
    lines = summary(tally(cat=40, dog=20, cow=1), 80, unicode=False, only=False, everything=False)
    assert [line.count("#") for line in lines] == [0, 20, 10, 1]
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_many_classes_are_cut_unless_all_are_asked_for() -> None:
    many = tally(**{f"class{number:03}": number for number in range(1, 101)})
    short = summary(many, 80, unicode=True, only=False, everything=False)
    assert len(short) == 1 + 30
    assert short[1].endswith("class100")
    assert short[-1].endswith("71 more classes (-v shows them)")
    assert short[-1].split()[0] == f"{sum(range(1, 72)):,}"
    assert len(summary(many, 80, unicode=True, only=False, everything=True)) == 1 + 100


@pytest.mark.parametrize("arguments", [("--format", "table"), ("--format", "json"), ("-o", "r.csv"), ("-q",)])
def test_a_summary_is_shown_with_every_output(predict: Senet, few: Path, arguments: tuple[str, ...]) -> None:
    plain = predict(few, "gone.jpg", *arguments)
    done = predict(few, "gone.jpg", *arguments, "--summary")
    assert done.returncode == plain.returncode == 1
    assert done.stdout == plain.stdout
    lines = done.stderr.removeprefix(plain.stderr).splitlines()
    assert lines[0].startswith("9 images, ")
    assert lines[0].endswith(" 1 failed")
    assert lines[-1].endswith("failed: missing")
    assert sum(int(line.split()[0]) for line in lines[1:]) == 9


def test_a_run_that_goes_on_sums_up_all_of_it(predict: Senet, few: Path, tmp_path: Path) -> None:
    arguments = (few, "gone.jpg", few, "-o", "r.jsonl", "--summary")
    whole = predict(*arguments)
    (tmp_path / "r.jsonl").unlink()
    stopped = predict(*arguments, "--strict")
    assert "9 images, " in stopped.stderr
    done = predict(*arguments, "--resume")
    assert done.stderr.partition("\n")[2] == whole.stderr


# --- only some classes --------------------------------------------------------------------------


@pytest.fixture
def labels(predict: Senet, few: Path) -> dict[str, tuple[str, float]]:
    """Class and score of each photograph."""
    return {row[0]: (row[2], float(row[3])) for row in rows(predict(few, "-k", 1))}


def test_names_of_images_of_some_classes(
    predict: Senet, few: Path, labels: dict[str, tuple[str, float]]
) -> None:
    wanted = sorted({label for label, _ in labels.values()})[:2]
    names = [name for name, (label, _) in labels.items() if label in wanted]
    assert 0 < len(names) < len(labels)
    done = predict(few, "gone.jpg", "--only", ",".join(wanted), "--format", "paths")
    assert (done.returncode, done.stdout.splitlines()) == (1, names)
    assert done.stderr == "1 of 9 images could not be classified\n"
    null = predict(few, "--only", wanted[0], "--only", wanted[1], "--format", "paths", "--print0")
    assert (null.returncode, null.stdout.split("\0")) == (0, [*names, ""])
    bar = sorted(labels[name][1] for name in names)[-1]
    sure = predict(few, "--only", ",".join(wanted), "--format", "paths", "--min-score", bar - 1e-6)
    assert sure.stdout.splitlines() == [name for name in names if labels[name][1] >= bar - 1e-6]


def test_other_formats_have_their_records_only(
    predict: Senet, few: Path, labels: dict[str, tuple[str, float]], tmp_path: Path
) -> None:
    last = [*labels.values()][-1][0]
    names = [name for name, (label, _) in labels.items() if label == last]
    done = predict("gone.jpg", few, "--only", last, "--format", "jsonl")
    assert [record["path"] for record in records(done)] == ["gone.jpg", *names]
    assert all("wanted" not in record for record in records(done))
    array = predict(few, "--only", last, "--format", "json")
    assert [record["path"] for record in json.loads(array.stdout)] == names
    predict(few, "--only", last, "-k", 1, "-o", "r.csv")
    assert [line.split(",")[0] for line in (tmp_path / "r.csv").read_text().splitlines()] == ["path", *names]
    nothing = predict(few, "--only", "ship,truck,deer", "--min-score", 1, "-o", "r.csv", "--summary")
    assert (tmp_path / "r.csv").read_text().splitlines() == ["path,rank,label,score,id,index,error"]
    wrote, counted, classes = nothing.stderr.splitlines()[:3]
    assert (wrote, counted) == ("wrote r.csv", "8 images, 0 classes")
    assert classes.endswith("(none of the classes asked for)")


def test_a_selection_is_gone_on_with(predict: Senet, few: Path, tmp_path: Path) -> None:
    """Also where nothing of it was written yet: the header of the CSV still comes first, and once."""
    last = rows(predict(few, "-k", 1))[-1][2]
    for name, options in (("r.csv", ()), ("r.lst", ("--format", "paths", "--print0"))):
        arguments = (few, few / "gone.jpg", few, "--only", last, "-k", 1, *options)
        whole = tmp_path / f"whole{Path(name).suffix}"
        predict(*arguments, "-o", whole)
        stopped = predict(*arguments, "-o", name, "--strict")
        assert "Stopped after 9 of 17" in stopped.stderr
        assert predict(*arguments, "-o", name, "--resume").returncode == 1
        assert (tmp_path / name).read_bytes() == whole.read_bytes()


def test_words_that_mean_nothing_and_options_that_do_not_fit(predict: Senet, few: Path) -> None:
    done = predict(few, "--only", "dgo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "knows nothing that is called `dgo`" in done.stderr
    assert "hint: Did you mean `dog`?" in done.stderr
    done = predict(few, "--only", "dgo", "-m", "seresnet101", "--offline")  # before a model is fetched
    assert done.returncode == 2
    assert "hint: Did you mean `dingo`, `dugong` or `dog`?" in done.stderr
    done = predict(few, "--print0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--format paths" in done.stderr
