"""However the command ends, the shell gets a code of the table and people get a message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from senet_cli import errors
from senet_cli.__main__ import run
from senet_cli.errors import DiskError, ExitCode, HungUp, OutputClosed, SenetError, Terminated
from tests.conftest import Senet
from tests.faultserver import BLACK_HOLE, Behaviour, FaultServer

CODES: dict[type[SenetError], int] = {
    errors.SenetError: 70,
    errors.ImageError: 1,
    errors.UsageError: 2,
    errors.DivergedError: 2,
    errors.NothingToClassifyError: 3,
    errors.ModelError: 4,
    errors.UnknownModelError: 4,
    errors.ManifestError: 4,
    errors.CheckpointError: 4,
    errors.NetworkError: 5,
    errors.DigestError: 6,
    errors.DiskError: 7,
    errors.DeviceError: 8,
}


def ending(error: BaseException | type[BaseException]) -> Callable[[], None]:
    """An application that ends with this error."""

    def application() -> None:
        raise error

    return application


def below(kind: type[SenetError]) -> Iterator[type[SenetError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_the_promised_one() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 129, 130, 141, 143]
    meanings = [code.meaning for code in ExitCode]
    assert all(meanings)
    assert len(set(meanings)) == len(meanings)


def test_every_kind_of_error_has_its_code() -> None:
    """Those of rooms below belong to one of these."""
    for kind in below(SenetError):
        known = next(parent for parent in kind.__mro__ if parent in CODES)
        assert kind.exit_code == CODES[known]
    assert {kind for kind in below(SenetError) if kind.__module__ == errors.__name__} == set(CODES)


@pytest.mark.parametrize("kind", list(CODES), ids=lambda kind: kind.__name__)
def test_an_error_becomes_its_code_and_a_message(
    kind: type[SenetError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("decode", "it broke") if kind is errors.ImageError else kind("it broke", "try again")
    assert run(ending(error)) == CODES[kind]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ("error: it broke\n" + ("hint: try again\n" if error.hint else ""))


def test_an_error_without_a_hint_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(ending(errors.NetworkError("no answer")))
    assert capsys.readouterr().err == "error: no answer\n"


def test_a_message_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    run(ending(errors.NetworkError("a\x1b[2Jb\rc\x07", "d\x9b2Je\u202ef")))
    err = capsys.readouterr().err
    assert err.replace("\n", "").isprintable()
    assert r"a\x1b[2Jb\rc\x07" in err


def test_an_os_error_keeps_its_reason() -> None:
    error = errors.DiskError.from_os_error(OSError(28, "No space left on device"), "writing `x`", "delete")
    assert error.message == "writing `x` failed: No space left on device"
    assert str(error) == "writing `x` failed: No space left on device\ndelete"
    assert "just text" in errors.DiskError.from_os_error(OSError("just text"), "writing").message


# --- other endings ------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [(None, 0), (0, 0), (2, 2), (ExitCode.DIGEST, 6), ("a text", 2)])
def test_an_exit_keeps_its_status(status: Any, code: int) -> None:
    assert run(ending(SystemExit(status))) == code


def test_an_application_that_simply_returns_was_fine() -> None:
    assert run(lambda: None) == 0


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (Terminated, 143), (HungUp, 129)])
def test_signals_end_without_words(
    error: type[BaseException], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(ending(error)) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("failure", [DiskError("the terminal is gone"), OutputClosed(), ValueError()])
def test_what_fails_on_the_way_out_is_the_signals_doing(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def application() -> None:
        try:
            raise HungUp
        finally:
            raise failure

    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert run(application) == 129
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [OutputClosed, BrokenPipeError])
def test_a_closed_output_ends_without_words(
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        stdout.write("still in the buffer")
        assert run(ending(error)) == 141
        stdout.flush()
    assert (tmp_path / "stdout").read_text() == "", "what is left goes nowhere"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [ValueError("boom"), AssertionError("boom"), RecursionError("boom")])
def test_anything_else_is_our_bug(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(ending(error)) == 70
    quiet = capsys.readouterr().err
    assert f"this is a bug in senet: {type(error).__name__}: boom" in quiet
    assert "SENET_DEBUG=1" in quiet
    assert "Traceback" not in quiet
    monkeypatch.setenv("SENET_DEBUG", "1")
    assert run(ending(error)) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["", "0"])
def test_debugging_is_off_unless_it_is_on(
    value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENET_DEBUG", value)
    run(ending(ValueError("boom")))
    assert "Traceback" not in capsys.readouterr().err


# --- as a process, every code once --------------------------------------------------------------

_MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
_MAIN += "from senet_cli.__main__ import main; main()"
"""Who started the tests may have turned Ctrl-C off, which is inherited."""

CIFAR_NET = "seresnet32-cifar-leeyeonsu"


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights."""
    import torch

    from senet_cli.catalogue.lookup import load_manifest
    from senet_cli.nets.network import build_network
    from senet_cli.weights.publishers.leeyeonsu import LEEYEONSU

    torch.manual_seed(0)
    state = build_network(load_manifest().architecture(CIFAR_NET).spec).state_dict()
    path = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save({LEEYEONSU.key(key): value for key, value in state.items()}, path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_0_and_1_all_images_or_not_all(senet: Senet, own_weights: Path, photo: Path) -> None:
    own = ("--weights", own_weights, "--arch", CIFAR_NET)
    assert senet("predict", photo, *own).returncode == 0
    photo.with_name("broken.png").write_bytes(b"not an image")
    done = senet("predict", photo, "broken.png", *own)
    assert done.returncode == 1
    assert "1 of 2 images" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nonsense",),
        ("nonsense",),
        ("list", "--format", "xml"),
        ("info",),
        ("download",),
        ("cache", "rm"),
        ("predict", "a.png", "--weights", "x.pth"),
    ],
    ids=" ".join,
)
def test_2_wrong_usage(senet: Senet, arguments: tuple[str, ...]) -> None:
    done = senet(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_2_a_variable_that_makes_no_sense(senet: Senet) -> None:
    done = senet("list", env={"SENET_OFFLINE": "perhaps"})
    assert done.returncode == 2
    assert "SENET_OFFLINE" in done.stderr


def test_3_nothing_to_classify(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert senet("predict", "empty").returncode == 3


@pytest.mark.parametrize(
    "arguments", [("info", "x"), ("download", "x"), ("verify", "x"), ("cache", "rm", "x")]
)
def test_4_unknown_model(senet: Senet, arguments: tuple[str, ...]) -> None:
    done = senet(*arguments)
    assert done.returncode == 4
    assert "no model `x`" in done.stderr


def test_4_a_manifest_that_does_not_parse(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text('{"schema": 2}')
    done = senet("list", "--manifest", "own.json")
    assert done.returncode == 4
    assert "own.json" in done.stderr
    assert "update senet" in done.stderr


def test_4_weights_that_are_none(senet: Senet, tmp_path: Path, photo: Path) -> None:
    (tmp_path / "page.pth").write_text("<!DOCTYPE html>")
    done = senet("predict", photo, "--weights", "page.pth", "--arch", CIFAR_NET)
    assert done.returncode == 4
    assert "web page" in done.stderr


def test_5_no_network(senet: Senet) -> None:
    assert senet("download", "seresnet50", "--offline").returncode == 5


def test_6_other_bytes_than_published(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "wrong.pt").write_bytes(bytes(2_068_165))
    done = senet("download", "seresnet32-cifar10", "--from", "wrong.pt")
    assert done.returncode == 6
    assert "not the published bytes" in done.stderr


def test_7_a_file_that_cannot_be_read(senet: Senet) -> None:
    assert senet("download", "seresnet50", "--from", "nowhere").returncode == 7
    assert senet("list", "--manifest", "nowhere.json").returncode == 7


def test_7_a_disk_that_is_full(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "senet_cli", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 7
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_8_no_such_device(senet: Senet, own_weights: Path, photo: Path) -> None:
    own = ("--weights", own_weights, "--arch", CIFAR_NET)
    done = senet("predict", photo, *own, "--device", "cuda:99")
    assert done.returncode == 8
    assert "cuda:99" in done.stderr


@pytest.mark.parametrize("debug", ["", "1"])
def test_70_a_bug_of_ours(debug: str) -> None:
    program = "import senet_cli.__main__ as m\nm._app = lambda: {}['no such key']\nm.main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SENET_DEBUG": debug},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "this is a bug in senet: KeyError" in done.stderr
    assert ("Traceback" in done.stderr) == bool(debug)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "behaviour",
    [BLACK_HOLE, Behaviour(bytes(1000), stop_after=500, ending="hang")],
    ids=["waiting", "reading"],
)
def test_130_and_143_a_signal_in_a_download_keeps_what_arrived(
    tmp_path: Path, number: signal.Signals, code: int, behaviour: Behaviour
) -> None:
    with FaultServer({"/x.pth": behaviour}) as server:
        manifest = {
            "schema": 1,
            "checkpoints": {
                "slow": {
                    "publisher": "this test",
                    "architecture": "seresnet18-caffe",
                    "preprocess": {
                        "resize": 256,
                        "crop": 224,
                        "interpolation": "bilinear",
                        "mean": [0.5, 0.5, 0.5],
                        "std": [0.5, 0.5, 0.5],
                    },
                    "files": [
                        {
                            "urls": [server.url("/x.pth")],
                            "sha256": "0" * 64,
                            "bytes": 1000,
                            "format": "torch",
                            "layout": "cadene",
                        }
                    ],
                    "licence": {"name": "none"},
                }
            },
        }
        (tmp_path / "m.json").write_text(json.dumps(manifest))
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, "download", "slow", "--manifest", str(tmp_path / "m.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        patience = time.monotonic() + 60
        while not server.requests or server.requests[0].sent < (behaviour.stop_after or 0):
            assert time.monotonic() < patience
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    assert "bug" not in err
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    kept = [path.suffix for path in left if path.parent.name == "partial"]
    assert sorted(kept) == ([".json", ".part"] if behaviour.stop_after else [])
    assert len(kept) == len(left), "only what has arrived is kept, for the next run"


def test_what_was_registered_for_the_exit_still_runs() -> None:
    """The process ends without Python's own tear-down, but not without its handlers."""
    code = "import atexit, sys; sys.argv = ['senet', '--version']; atexit.register(print, 'handled')"
    code += "; from senet_cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["handled"]
    assert done.stderr == ""


def test_141_a_reader_that_has_enough() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "senet_cli", "list"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert done.stderr == ""
