"""`predict -o FILE --resume`: records of a run that was stopped are kept, and the rest is done."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from senet_cli.catalogue.resolve import ModelRef
from senet_cli.errors import ImageError
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import ComputeOptions
from senet_cli.settings import Settings
from senet_cli.tasks.predict import PredictRequest
from senet_cli.tasks.resume import facts_of
from tests.cli.predictions import Done, assert_clean
from tests.conftest import Senet

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and locks are those of POSIX")

KEPT = "They are in r.csv.partial; the same command with --resume continues.\n"


@pytest.fixture
def listed(few: Path, tmp_path: Path) -> Path:
    """A list of eight photographs with one in the middle that is not there."""
    photos = sorted(few.iterdir())
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{name}\n" for name in [*photos[:4], "gone.jpg", *photos[4:]]))
    return path


@pytest.fixture
def begun(predict: Senet, listed: Path) -> list[object]:
    """The arguments of a run that was stopped in the middle, by `--strict`, and left r.csv.partial."""
    arguments: list[object] = ["--from-file", listed, "-k", 2, "-o", "r.csv"]
    done = predict(*arguments, "--strict")
    assert done.returncode == 1
    assert "stopped there" in done.stderr
    assert done.stderr.startswith("Stopped after 5")
    assert KEPT in done.stderr
    return arguments


def test_what_is_there_is_kept_and_the_rest_is_done(
    predict: Senet, begun: list[object], tmp_path: Path
) -> None:
    whole = predict(*begun[:-1], "whole.csv")
    assert (whole.returncode, len((tmp_path / "whole.csv").read_text().splitlines())) == (1, 1 + 8 * 2 + 1)
    for photo in sorted((tmp_path / "few").iterdir())[:4]:  # whoever reads it again finds no image
        status = photo.stat()
        photo.write_bytes(b"x" * status.st_size)
        os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = predict(*begun, "--resume")
    assert_clean(done)
    assert done.returncode == 1  # one failed, though in the run before
    assert done.stderr == (
        "note: keeping 5 records, and going on after that\nwrote r.csv\n"
        "1 of 9 images could not be classified\n"
    )
    assert (tmp_path / "r.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not [*tmp_path.glob("*.partial*")]


def test_a_second_run_names_both_ways(predict: Senet, begun: list[object], tmp_path: Path) -> None:
    partial = tmp_path / "r.csv.partial"
    before = partial.read_bytes()
    done = predict(*begun)
    assert done.returncode == 7
    assert "`r.csv.partial` holds the records of a run that was stopped, and stays as it is" in done.stderr
    assert "--resume" in done.stderr
    assert "--start-over" in done.stderr
    assert partial.read_bytes() == before
    anew = predict(*begun, "--start-over", "-q")
    assert (anew.returncode, anew.stderr) == (1, "")
    assert not partial.exists()


def test_starting_over_without_the_model_costs_nothing(
    predict: Senet, begun: list[object], tmp_path: Path
) -> None:
    both = tmp_path / "r.csv.partial", tmp_path / "r.csv.partial.journal"
    before = [file.read_bytes() for file in both]
    for options, code in (
        (("-m", "senet154", "--offline", "--no-fallback"), 5),
        (("-m", "resnet-of-nobody"), 4),
        (("--only", "nothing-of-the-kind"), 2),
    ):
        done = predict(*begun, "--start-over", *options)
        assert done.returncode == code, done.stderr
        assert "Stopped after" not in done.stderr
        assert [file.read_bytes() for file in both] == before
    done = predict(*begun, "--resume")
    assert "keeping 5 records" in done.stderr


def test_another_model_and_other_options_are_refused(
    predict: Senet, begun: list[object], tmp_path: Path
) -> None:
    before = (tmp_path / "r.csv.partial").read_bytes()
    for options, said in {
        ("-k", "3"): "another number of predictions: 2, and now it is 3",
        ("--min-score", "0.5"): "another lowest score: 0, and now it is 0.5",
        ("-m", "seresnet32-cifar10.teacher"): "another model: seresnet32-cifar10.cutmix, and now it is",
        ("--format", "jsonl"): "another format: csv, and now it is jsonl",
        ("--spreadsheet-safe",): "another protection of spreadsheets: off, and now it is on",
        ("--engine", "torch"): "another engine: openvino, and now it is torch",
        ("--image-size", "24"): "another preprocessing",
    }.items():
        done = predict(*begun, "--resume", *options)
        assert done.returncode == 2, options
        assert said in done.stderr
        assert "--start-over" in done.stderr
    assert (tmp_path / "r.csv.partial").read_bytes() == before
    done = predict(*begun, "--resume", "--batch-size", 3, "--jobs", 1, "-q")
    assert (done.returncode, done.stderr) == (1, "")


def test_a_command_that_names_fewer_images_deletes_no_records(
    predict: Senet, few: Path, tmp_path: Path
) -> None:
    first = sorted(few.iterdir())[0]
    assert predict(first, few, "gone.jpg", "-o", "r.csv", "--strict").returncode == 1
    partial = tmp_path / "r.csv.partial"
    before = partial.read_bytes()
    done = predict(first, "-o", "r.csv", "--resume")
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert f"another command made the records in `r.csv.partial`, of `{first}`, `{few}`, `gone.jpg`" in said
    assert (
        "Go on with what that run was given, or delete its records and begin anew with `--start-over`" in said
    )
    assert partial.read_bytes() == before


def test_a_file_that_may_be_read_by_now_is_done(
    predict: Senet, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `chmod`, which changes neither size nor time of change."""
    third, opened = sorted(few.iterdir())[2], Source.open

    def refuses(source: Source) -> BinaryIO:
        if source.name == str(third):
            raise ImageError("unreadable", "Permission denied", passing=True)
        return opened(source)

    assert predict(few, "-o", "whole.csv").returncode == 0
    monkeypatch.setattr(Source, "open", refuses)
    assert predict(few, "-o", "r.csv", "--strict").returncode == 1
    assert predict(few, "-o", "r.csv", "--strict", "--resume").returncode == 1
    monkeypatch.setattr(Source, "open", opened)
    done = predict(few, "-o", "r.csv", "--strict", "--resume")
    assert (done.returncode, "keeping 2 of 3 records" in done.stderr) == (0, True)
    assert (tmp_path / "r.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_with_pytorch_the_size_of_batches_is_the_same(predict: Senet, listed: Path) -> None:
    """The last digits of scores depend on which images share a batch."""
    arguments = ("--from-file", listed, "--engine", "torch", "-o", "r.csv")
    assert predict(*arguments, "--strict", "--batch-size", 2).returncode == 1
    done = predict(*arguments, "--resume", "--batch-size", 3)
    assert done.returncode == 2
    assert "another size of batches: 2, and now it is 3" in done.stderr
    done = predict(*arguments, "--resume", "--batch-size", 2)
    assert (done.returncode, "keeping 4 of 5 records" in done.stderr) == (1, True)


def test_facts_tell_what_differs_in_the_last_digit_and_in_identifiers(cifar_cache: Path) -> None:
    sources = SourceRequest(("x",))
    scores = [
        PredictRequest(sources=sources, min_score=score).facts()["lowest score"]
        for score in (0, 0.5, 0.1234567, 0.1234568)
    ]
    assert scores == ["0", "0.5", "0.1234567", "0.1234568"]
    settings = Settings(cache=cifar_cache, offline=True)
    cpu = ComputeOptions(device="cpu").resolve()
    model = Resolver.load(settings).choose(ModelRef.parse("seresnet32-cifar10"), runtime=cpu)
    labels = model.labels
    others = [replace(labels, ids=("n1", *labels.ids[1:])), replace(labels, labels=("x", *labels.labels[1:]))]
    facts = [facts_of(replace(model, labels=each), cpu) for each in (labels, *others)]
    assert len({each["set of labels (SHA-256)"] for each in facts}) == 3


def test_strict_stops_again_at_what_failed_before(
    predict: Senet, begun: list[object], tmp_path: Path
) -> None:
    done = predict(*begun, "--strict", "--resume")
    assert done.returncode == 1
    assert "Stopped after 5" in done.stderr
    assert "the same command continues" in done.stderr
    shutil.copy(next((tmp_path / "few").iterdir()), tmp_path / "gone.jpg")
    mended = predict(*begun, "--strict", "--resume")
    assert mended.returncode == 0
    assert (
        "keeping 4 of 5 records: `gone.jpg` is not the image that was there, or not as it was"
        in mended.stderr
    )


def test_where_nothing_is_to_do_it_says_so(predict: Senet, few: Path, tmp_path: Path) -> None:
    anew = predict(few, "-o", "r.jsonl", "--resume")
    assert (anew.returncode, anew.stderr) == (0, "wrote r.jsonl\n")
    before = (tmp_path / "r.jsonl").stat().st_ino
    for quiet in ((), ("-q",)):  # it may be the file of another command, and nothing tells
        again = predict(few, "-o", "r.jsonl", "--resume", *quiet)
        assert again.returncode == 0
        assert " ".join(again.stderr.split()) == (
            "`r.jsonl` is there already and stays as it is: no records of a stopped run lie beside it. "
            "`--start-over` makes it anew."
        )
    assert (tmp_path / "r.jsonl").stat().st_ino == before
    anew = predict(few, "-o", "r.jsonl", "--start-over")
    assert (anew.returncode, anew.stderr) == (0, "wrote r.jsonl\n")
    assert (tmp_path / "r.jsonl").stat().st_ino != before


def test_an_empty_file_is_not_complete(predict: Senet, few: Path, tmp_path: Path) -> None:
    """As `mktemp` makes it, with a mode that is kept."""
    path = tmp_path / "r.jsonl"
    path.touch(0o600)
    done = predict(few, "-o", "r.jsonl", "--resume")
    assert (done.returncode, done.stderr) == (0, "wrote r.jsonl\n")
    assert len(path.read_text().splitlines()) == 8
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_run_that_started_over_says_how_to_go_on(predict: Senet, begun: list[object]) -> None:
    done = predict(*begun, "--strict", "--start-over")
    assert done.returncode == 1
    assert "; the same command with --resume in place of --start-over continues.\n" in done.stderr
    assert "keeping 5 records" in predict(*begun, "--resume").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "r.json"), "in the format json"),
        (("-o", "r.csv.gz"), "compressed file such as `r.csv.gz`"),
        (("-o", "r.table"), "in the format table"),
        (("-o", "-"), "go to standard output"),
        ((), "go to standard output"),
        (("-o", "/dev/null"), "`/dev/null` is not a plain file"),
        (("-o", "r.csv", "--start-over"), "contradict each other"),
    ],
)
def test_results_that_cannot_be_gone_on_with_are_refused(
    predict: Senet, few: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = predict(few, "--resume", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_a_file_that_is_written_in_place_is_not_gone_on_with(
    predict: Senet, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since its folder may not be written, as far as anybody but the superuser is concerned."""
    (tmp_path / "r.csv").write_text("older")
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = predict(few, "-o", "r.csv", "--resume")
    assert done.returncode == 2
    assert "needs a file beside `r.csv`, whose folder may not be written" in done.stderr
    assert (tmp_path / "r.csv").read_text() == "older"


def test_a_folder_that_results_go_to_can_be_classified_on(predict: Senet, few: Path) -> None:
    """Partial file and journal lie among the images, and are not counted as files that are passed over."""
    arguments = (few, "gone.jpg", few, "-o", few / "r.tsv")
    assert predict(*arguments, "--strict").returncode == 1
    done = predict(*arguments, "--resume")
    assert done.returncode == 1
    assert "passed over" not in done.stderr
    assert len((few / "r.tsv").read_text().splitlines()) == 8 * 5 + 1 + 8 * 5


def test_a_list_on_standard_input_is_gone_on_with(predict: Senet, few: Path, tmp_path: Path) -> None:
    names = [os.fsencode(name) + b"\n" for name in sorted(few.iterdir())]
    arguments = ("--from-file", "-", "-k", 1, "-o", "r.csv")
    assert (
        predict(*arguments, "--strict", stdin=b"".join([*names[:3], b"gone.jpg\n", *names])).returncode == 1
    )
    done = predict(*arguments, "--resume", stdin=b"".join([*names[:3], *names]))
    assert (done.returncode, done.stderr.count("keeping 3 of 4 records")) == (0, 1)
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 1 + 3 + 8


def test_a_full_disk_costs_nothing_that_was_written(
    predict: Senet, shell: Callable[..., Done], few: Path, tmp_path: Path
) -> None:
    """Full for either file: with many predictions for the records, with names alone for the journal."""
    for options, limit in (("-k 10", 3), ("-k 1 --format paths", 2)):
        assert predict(few, *options.split(), "-o", "whole.jsonl").returncode == 0
        full = shell(f'ulimit -f {limit}; senet predict "$1" {options} -o r.jsonl --batch-size 1', few)
        assert full.returncode == 7
        kept = r"^Stopped after [1-7] of 8\. They are in r\.jsonl\.partial; "
        assert re.search(kept, full.stderr, re.MULTILINE)
        assert "File too large" in full.stderr
        assert predict(few, *options.split(), "-o", "r.jsonl", "--resume").returncode == 0
        assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
        (tmp_path / "r.jsonl").unlink()


# --- killed -------------------------------------------------------------------------------------


class Killed:
    """Runs of one command that are killed at chosen moments and gone on with.

    Args:
        folder: where they run.
        environment: of them.
        arguments: of `senet predict`, without -o.
    """

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self._folder, self._environment = folder, environment
        self._arguments = arguments
        self._run("whole.jsonl").wait(300)
        self.whole = (folder / "whole.jsonl").read_bytes()

    def _run(self, output: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "senet_cli", "predict", *self._arguments, "-o", output, "--resume"],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def trial(self, seed: int) -> list[int]:
        """Kill up to three times, at random moments, then go on to the end.

        Returns:
            How many bytes of records there were when it was killed each time.
        """
        chance = random.Random(seed)
        output, partial = self._folder / f"{seed}.jsonl", self._folder / f"{seed}.jsonl.partial"
        sizes = []
        for part in sorted(chance.random() for _ in range(chance.randint(1, 3))):
            process = self._run(output.name)
            moment = chance.choice([0, part, part, part, 1]) * len(self.whole)
            end = time.monotonic() + 120
            while process.poll() is None and not output.exists():
                if partial.exists() and partial.stat().st_size >= moment:
                    break
                assert time.monotonic() < end
                time.sleep(0.001)
            time.sleep(chance.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            sizes.append(partial.stat().st_size if partial.exists() else -1)
        assert self._run(output.name).wait(300) in (0, 1)
        assert output.read_bytes() == self.whole, (seed, sizes)
        assert not [*self._folder.glob(f"{seed}.jsonl.*"), *self._folder.glob(".new-*")], (seed, sizes)
        return sizes


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    listed = tmp_path / "list.txt"
    names = [*map(str, photos[:100]), "gone.jpg", str(listed), *map(str, photos[100:])]
    listed.write_text("".join(f"{name}\n" for name in names))
    killed = Killed(tmp_path, environment, "--from-file", "list.txt", "--batch-size", "4", "-k", "2")
    for seed in range(5):
        killed.trial(seed)
