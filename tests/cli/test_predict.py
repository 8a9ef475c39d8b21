"""`senet predict` as a process, with real weights and real photographs."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from senet_cli.cli.predict import _format_for
from tests.conftest import Senet

MODEL = "seresnet32-cifar10"
NAME = "seresnet32-cifar10.cutmix"
ARCHITECTURE = "seresnet32-cifar-leeyeonsu"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

Done = subprocess.CompletedProcess[str]
Scores = dict[int, float]


@pytest.fixture
def environment(cifar_cache: Path, tmp_path: Path) -> dict[str, str]:
    """The two real networks installed, one of them chosen, `senet` on the PATH.

    One thread for the network: it is so small that on a busy machine threads mostly wait for each other.
    """
    program = tmp_path / "bin" / "senet"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m senet_cli "$@"\n')
    program.chmod(0o755)
    return os.environ | {
        "SENET_CACHE": str(cifar_cache),
        "SENET_MODEL": MODEL,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{program.parent}:{os.environ['PATH']}",
    }


@pytest.fixture
def predict(senet: Senet, environment: dict[str, str]) -> Senet:
    """`senet predict` with that environment."""

    def run(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> Done:
        return senet("predict", *arguments, env=environment | (env or {}), **options)

    return run


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Callable[..., Done]:
    """A script of bash, in the folder for temporary files."""

    def run(script: str, *arguments: object, timeout: float = 120) -> Done:
        return subprocess.run(
            ["bash", "-c", script, "bash", *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def photos(data: Path) -> list[Path]:
    found = sorted((data / "photos").iterdir())
    assert len(found) == 200
    return found


@pytest.fixture
def few(photos: list[Path], tmp_path: Path) -> Path:
    """A folder of eight photographs."""
    folder = tmp_path / "few"
    folder.mkdir()
    for photo in photos[::25]:
        shutil.copy(photo, folder)
    return folder


def records(done: Done) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def scores(record: Any) -> Scores:
    return {best["index"]: best["score"] for best in record["predictions"]}


def rows(done: Done) -> list[list[str]]:
    """Of TSV."""
    return [line.split("\t") for line in done.stdout.splitlines()]


def assert_clean(done: Done) -> None:
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "bug in senet" not in done.stderr


# --- the golden run -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar_images(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 1,017 original test images, as `test/<class>/<index>.png`."""
    root = tmp_path_factory.mktemp("cifar-images")
    with np.load(data / "cifar10" / "cifar10-original-subset.npz") as arrays:
        images, labels = arrays["test_x"], arrays["test_y"]
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / "test" / CLASSES[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:05d}.png")
    return root


@pytest.mark.parametrize(
    ("model", "file", "right"),
    [
        ("seresnet32-cifar10", "seresnet32_cifar10_cutmix.pt", 964),
        ("seresnet32-cifar10.teacher", "seresnet32_cifar10_teacher.pt", 953),
    ],
)
def test_1017_images_come_out_as_an_independent_program_says(
    predict: Senet, data: Path, cifar_images: Path, model: str, file: str, right: int
) -> None:
    golden = json.loads((data / "checkpoints" / "golden_predictions.json").read_text())["models"][file][
        "pred"
    ]
    done = predict("test", "-m", model, "-k", 1, "--format", "jsonl", "-v", cwd=cifar_images)
    assert done.returncode == 0, done.stderr
    found = records(done)
    assert [record["path"] for record in found] == sorted(golden)
    best = {record["path"]: record["predictions"][0] for record in found}
    assert {path: answer["label"] for path, answer in best.items()} == {
        path: answer["pred"] for path, answer in golden.items()
    }
    assert {path: answer["score"] for path, answer in best.items()} == pytest.approx(
        {path: answer["prob"] for path, answer in golden.items()}, abs=1e-4, rel=0
    )
    assert sum(answer["label"] == path.split("/")[1] for path, answer in best.items()) == right
    assert all(CLASSES[answer["index"]] == answer["label"] for answer in best.values())
    # what -v tells
    assert {record["model"] for record in found} == {model if "." in model else NAME}
    assert f"note: {found[0]['model']} ({ARCHITECTURE}) from " in done.stderr
    assert re.search(r"^note: (openvino on cpu|torch on (cpu|cuda:0|mps)), fp32$", done.stderr, re.MULTILINE)
    assert "note: batches of " in done.stderr
    assert re.search(r"^note: 1,017 images in [\d.]+ s, [\d.]+ images/s$", done.stderr, re.MULTILINE)


# --- in the shell -------------------------------------------------------------------------------


def test_find_predict_and_cut(shell: Callable[..., Done], data: Path, photos: list[Path]) -> None:
    script = """
cd "$1"
find photos -name '*.JPEG' -print0 | senet predict --from-file - -0 --format tsv -k 1 | cut -f1,3
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
    assert (done.stdout, done.stderr) == ("ok\n", "")
    text = (tmp_path / "out.csv").read_bytes().decode()
    header, *body = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["path", "rank", "label", "score", "id", "index", "error"]
    assert [row[0] for row in body] == [f"few/{photo.name}" for photo in sorted(few.iterdir())]
    assert not (tmp_path / "out.csv.partial").exists()


def test_head_closes_the_pipe(shell: Callable[..., Done], few: Path) -> None:
    photo = next(few.iterdir())
    script = 'yes "$1" | senet predict --from-file - -k 1 | head -n 5; echo "${PIPESTATUS[1]}" >&2'
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


# --- what stops a run ---------------------------------------------------------------------------


@contextlib.contextmanager
def endless(
    environment: dict[str, str], cwd: Path, photo: Path, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`senet predict` over a list on standard input that never ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "senet_cli", "predict", "--from-file", "-", "-k", "1", *options],
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin

    def feed(stdin: IO[bytes]) -> None:
        with contextlib.suppress(OSError):
            while True:
                stdin.write(os.fsencode(photo) + b"\n")
                stdin.flush()

    thread = threading.Thread(target=feed, args=[process.stdin])
    thread.start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        thread.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                assert stream
                stream.close()


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_run_in_order(
    environment: dict[str, str], tmp_path: Path, photos: list[Path], number: int, code: int
) -> None:
    with endless(environment, tmp_path, photos[0], "--format", "json") as process:
        assert process.stdout
        assert process.stderr
        head = b"".join(process.stdout.readline() for _ in range(4))
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(20) == code
        assert process.stderr.read() == b""
    found = json.loads(head + rest)
    assert len(found) >= 3
    assert {record["path"] for record in found} == {str(photos[0])}


@pytest.mark.parametrize(("number", "code"), [*SIGNALS, (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_the_old_file_and_a_partial_one(
    environment: dict[str, str], tmp_path: Path, photos: list[Path], number: int, code: int
) -> None:
    target, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"
    target.write_text("older")
    with endless(environment, tmp_path, photos[0], "-o", "out.csv") as process:
        end = time.monotonic() + 60
        while not (partial.exists() and partial.read_bytes().count(b"\n") > 3):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(20) == code
        assert process.stderr
        assert process.stderr.read() == b""
    assert target.read_text() == "older"
    header, *body = partial.read_bytes().split(b"\r\n")
    assert header == b"path,rank,label,score,id,index,error"
    assert len(body) > 3


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("as_list", [True, False])
def test_a_signal_ends_a_run_that_waits_for_its_input(
    environment: dict[str, str], tmp_path: Path, photos: list[Path], number: int, code: int, as_list: bool
) -> None:
    """A list, or an image from a process substitution, that never comes."""
    read, write = os.pipe()
    pipe = f"/dev/fd/{read}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "senet_cli", "predict", str(photos[0]), "--batch-size", "1"),
            *(["--from-file", pipe] if as_list else [str(photos[1]), pipe]),
        ],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[read],
    )
    try:
        assert process.stdout
        assert process.stdout.readline().startswith(str(photos[0]))
        process.send_signal(number)
        _, error = process.communicate(timeout=10)
        assert process.returncode == code
        assert error == ""
    finally:
        os.close(write)
        os.close(read)
        process.kill()
        process.communicate()


def test_strict_stops_at_the_first_failure(predict: Senet, few: Path) -> None:
    photo = next(few.iterdir())
    done = predict(photo, "gone.jpg", *[photo] * 40, "--strict", "-k", 1)
    assert done.returncode == 1
    assert [(row[0], row[6]) for row in rows(done)] == [(str(photo), ""), ("gone.jpg", "missing")]
    assert done.stderr == "1 of 2 images could not be classified, stopped there (--strict)\n"
    fine = predict(photo, photo, "--strict", "-k", 1)
    assert (fine.returncode, len(rows(fine))) == (0, 2)


# --- where results go ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "style"),
    [
        *(("a.csv", "csv"), ("a.tsv", "tsv"), ("a.json", "json"), ("a.jsonl", "jsonl"), ("a.table", "table")),
        *(("A.CSV", "csv"), ("a.txt", "tsv"), ("csv", "tsv"), ("a.csv.gz", "tsv"), ("a.json.bak", "tsv")),
    ],
)
def test_the_format_follows_the_ending_of_the_file(name: str, style: str) -> None:
    assert _format_for(Path(name), on_terminal=False) == style


def test_the_format_follows_the_ending_unless_it_is_said(predict: Senet, few: Path, tmp_path: Path) -> None:
    for options, first in ((["-o", "a.json"], "["), (["-o", "b.json", "--format", "csv"], "path,rank,")):
        done = predict(few, "-k", 1, *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / options[1]).read_text().startswith(first)
    assert len(json.loads((tmp_path / "a.json").read_text())) == 8


def test_a_result_file_that_cannot_be_written(shell: Callable[..., Done], few: Path) -> None:
    photo = next(few.iterdir())
    for target in ("no/such/folder/out.csv", ".", "/dev/full"):
        done = shell('senet predict "$1" -o "$2"', photo, target)
        assert done.returncode == 7, target
        assert done.stdout == ""
        assert re.match(r"error: writing (to )?`.*` failed: \w+", done.stderr), done.stderr
    done = shell('senet predict "$1" > /dev/full', photo)
    assert done.returncode == 7
    assert done.stderr == "error: writing to standard output failed: No space left on device\n"


def test_a_full_disk(shell: Callable[..., Done], few: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    probe = shell("unshare -m mount -t tmpfs -o size=8k none small")
    if probe.returncode:
        pytest.skip(f"a small file system cannot be mounted: {probe.stderr.strip()}")
    script = """
mount -t tmpfs -o size=8k none small
echo older > small/out.json
yes "$1" | head -n 100 | senet predict --from-file - -k 10 -o small/out.json
echo "${PIPESTATUS[2]}"
cat small/out.json
"""
    done = shell('exec unshare -m bash -c "$1" bash "$2"', script, next(few.iterdir()))
    assert done.stdout == "7\nolder\n"
    assert re.fullmatch(r"error: writing .*out\.json.* failed: No space left on device\n", done.stderr)


# --- on a terminal ------------------------------------------------------------------------------


def on_terminal(
    environment: dict[str, str],
    cwd: Path,
    *arguments: str,
    stdout: bool = True,
    width: int = 80,
    descriptors: Sequence[int] = (),
) -> tuple[int, str, str]:
    """Run `senet predict` with standard error, and with `stdout` also that, on a terminal.

    Returns:
        Exit code, what came on standard output if that is none, and what the terminal got.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "senet_cli", "predict", *arguments],
        env=environment,
        cwd=cwd,
        stdin=follower,
        stdout=follower if stdout else subprocess.PIPE,
        stderr=follower,
        pass_fds=descriptors,
    )
    os.close(follower)
    seen: list[bytes] = []

    def watch() -> None:
        with contextlib.suppress(OSError):  # the terminal is gone when its last user is
            while chunk := os.read(leader, 2**16):
                seen.append(chunk)

    thread = threading.Thread(target=watch)
    thread.start()
    out, _ = process.communicate(timeout=120)
    thread.join()
    os.close(leader)
    return process.returncode, (out or b"").decode(), b"".join(seen).decode().replace("\r\n", "\n")


def test_a_table_on_a_terminal(environment: dict[str, str], tmp_path: Path, photos: list[Path]) -> None:
    arguments = [str(photos[0]), "gone\x1b]0;x\x07.jpg", "-k", "3"]
    colourful = {name: value for name, value in environment.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color"}
    code, _, plain = on_terminal(environment, tmp_path, *arguments)
    assert code == 1
    heading, *table = plain.splitlines()
    assert heading == str(photos[0])
    assert [row.split()[0] for row in table[:3]] == ["1", "2", "3"]
    bars = [row.count("━") for row in table[:3]]
    assert bars == sorted(bars, reverse=True)
    shares = [float(row.split()[-1].rstrip("%")) for row in table[:3]]
    assert bars == [round(share / 5) for share in shares]
    assert table[3].strip() == "gone\\x1b]0;x\\x07.jpg"
    assert table[4].strip() == "missing: no such file"
    assert table[5:] == ["1 of 2 images could not be classified"]
    assert "\x1b" not in plain
    code, _, coloured = on_terminal(colourful | {"TERM": "xterm-256color"}, tmp_path, *arguments)
    assert code == 1
    assert "\x1b[" in coloured
    assert "\x1b]" not in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_off_the_terminal_it_is_tsv(environment: dict[str, str], tmp_path: Path, photos: list[Path]) -> None:
    code, out, seen = on_terminal(environment, tmp_path, str(photos[0]), "-k", "1", "-q", stdout=False)
    assert (code, seen) == (0, "")
    (line,) = out.splitlines()
    assert line.split("\t")[:2] == [str(photos[0]), "1"]


def test_a_terminal_without_unicode_gets_bars_of_ascii(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    shutil.copy(photos[0], tmp_path / "a.jpg")
    latin = {"PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0", "LC_ALL": "C"}
    code, _, seen = on_terminal(environment | latin, tmp_path, "a.jpg", "-k", "1")
    assert code == 0
    assert seen.isascii()
    assert "###" in seen


def test_counting_for_the_progress_bar_takes_nothing_from_a_list_that_is_a_pipe(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    """As in `senet predict --from-file <(find photos) > out.tsv`, typed at a terminal."""
    count = 4000  # more than a pipe holds
    read, write = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write((os.fsencode(photos[0].parent) + b"/gone.jpg\n") * count)

    thread = threading.Thread(target=fill)
    thread.start()
    listed = ["--from-file", f"/dev/fd/{read}"]
    code, out, seen = on_terminal(environment, tmp_path, *listed, stdout=False, descriptors=[read])
    os.close(read)
    thread.join()
    assert code == 1
    assert len(out.splitlines()) == count
    assert "4,000 of 4,000 images could not be classified" in seen


# --- options ------------------------------------------------------------------------------------


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


# --- models -------------------------------------------------------------------------------------


def test_weights_of_ones_own(predict: Senet, few: Path, data: Path, tmp_path: Path) -> None:
    weights = data / "checkpoints" / "seresnet32_cifar10_cutmix.pt"
    options = ["-k", 10, "--format", "jsonl", "--device", "cpu"]
    expected = records(predict(few, *options))
    none = {"SENET_CACHE": str(tmp_path / "none")}
    done = predict(few, *options, "--weights", weights, "--arch", ARCHITECTURE, "--offline", env=none)
    assert (done.returncode, done.stderr) == (0, "")
    assert {record["model"] for record in records(done)} == {weights.name}
    for own, installed in zip(records(done), expected, strict=True):
        assert own["path"] == installed["path"]
        assert scores(own) == pytest.approx(scores(installed), abs=1e-6, rel=0)
        assert [best["label"] for best in own["predictions"]] == [
            best["label"] for best in installed["predictions"]
        ]


def test_weights_that_do_not_fit(predict: Senet, few: Path, data: Path) -> None:
    checkpoints = data / "checkpoints"
    plain = checkpoints / "plain_resnet20_cifar10-12fca82f.th"
    for weights, architecture in (
        (plain, ARCHITECTURE),
        (checkpoints / "golden_predictions.json", ARCHITECTURE),
        (checkpoints / "seresnet32_cifar10_cutmix.pt", "seresnet50"),
        (checkpoints / "seresnet32_cifar10_cutmix.pt", "seresnet-nonsense"),
    ):
        done = predict(few, "--weights", weights, "--arch", architecture)
        assert (done.returncode, done.stdout) == (4, ""), (weights, architecture)
        assert done.stderr.startswith("error: ")
        assert_clean(done)


def test_an_unknown_model(predict: Senet, few: Path) -> None:
    done = predict(few, "-m", "seresnet32-cifar")
    assert (done.returncode, done.stdout) == (4, "")
    assert re.search(r"did you mean.*seresnet32-cifar10", done.stderr, re.IGNORECASE | re.DOTALL), done.stderr


NO_NETWORK = """
import os, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"the network was tried: {event} {arguments}".encode())
        os._exit(99)

sys.addaudithook(watch)
from senet_cli.__main__ import main
main()
"""


def test_the_network_is_tried_only_for_a_download(
    environment: dict[str, str], few: Path, tmp_path: Path
) -> None:
    def watched(*options: str, **env: str) -> Done:
        return subprocess.run(
            [sys.executable, "-c", NO_NETWORK, "predict", str(few), "-k", "1", *options],
            env=environment | env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    installed = watched()
    assert (installed.returncode, installed.stderr) == (0, "")
    assert len(rows(installed)) == 8
    empty = {"SENET_CACHE": str(tmp_path / "empty-cache")}
    for refused in (watched("--offline", **empty), watched(SENET_OFFLINE="1", **empty)):
        assert (refused.returncode, refused.stdout) == (5, ""), refused.stderr
        assert NAME in refused.stderr
    # the watch itself works: without --offline a download is tried, through a proxy that does not exist
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    assert watched(**empty, **proxy).returncode == 99
