"""The command line inside the test's process: with its own streams, variables and folder, all put back."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import select
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from senet_cli.__main__ import perform

Done = subprocess.CompletedProcess[str]


class Environment:
    """Where `senet` is called: variables over those of the test's process, and a folder.

    Descriptors 0, 1 and 2 are really replaced, by pipes: what the command does with them (another name for
    standard error while native code is muted, a list read from descriptor 0, `/dev/stdin`) is what it does in
    a process of its own.

    Args:
        cwd: folder.
        env: variables in addition to those of `os.environ` at the time of a call.
    """

    def __init__(self, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.cwd = cwd
        self.env = dict(env or {})

    def run(
        self,
        *arguments: object,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Done:
        """Call the command line in this process.

        Args:
            arguments: after the program's name.
            stdin: all of standard input; None for `/dev/null`.
            env: more variables.
            cwd: another folder.

        Returns:
            Exit code, and what was printed as text (bytes that are not UTF-8 as surrogates).
        """
        words = ["senet", *map(str, arguments)]
        with (
            _variables(self.env | dict(env or {})),
            contextlib.chdir(cwd or self.cwd),
            _process_state(words),
            _streams(stdin) as (out, err),
        ):
            code = perform()
        return Done(words, int(code), out.text(), err.text())

    def run_process(
        self,
        *arguments: object,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> Done:
        """Call it as a process of its own, where that is what is tested; see `run`.

        Args:
            arguments, stdin, env, cwd: as for `run`.
            timeout: in seconds.
        """
        done = subprocess.run(
            [sys.executable, "-m", "senet_cli", *map(str, arguments)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=os.environ | self.env | dict(env or {}),
            cwd=cwd or self.cwd,
            timeout=timeout,
            check=False,
        )
        out, err = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
        return Done(done.args, done.returncode, out, err)


class _Drain:
    """Reads a pipe in a thread, so that nobody waits to write; it need not end: a child may keep it open."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        self._stop, self._stopper = os.pipe()
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while True:
            ready, _, _ = select.select([self._read, self._stop], [], [])
            if self._read not in ready:
                return
            if not (chunk := os.read(self._read, 2**16)):
                return
            self._parts.append(chunk)

    def close(self) -> None:
        os.close(self.write)
        os.close(self._stopper)
        self._thread.join()
        os.close(self._read)
        os.close(self._stop)

    def text(self) -> str:
        return b"".join(self._parts).decode(errors="surrogateescape")


@contextlib.contextmanager
def _streams(stdin: bytes | None) -> Iterator[tuple[_Drain, _Drain]]:
    """Pipes as descriptors 0, 1 and 2, and Python's streams on them as at the start of a process."""
    kept = sys.stdin, sys.stdout, sys.stderr
    for stream in kept:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    saved = [os.dup(number) for number in range(3)]
    out, err = _Drain(), _Drain()
    source, writer = _source(stdin)
    try:
        for number, descriptor in enumerate((source, out.write, err.write)):
            os.dup2(descriptor, number)
        os.close(source)
        first = sys.stdin, sys.stdout, sys.stderr = _text(0, "r"), _text(1, "w"), _text(2, "w")
        try:
            yield out, err
        finally:
            for stream in {*first, sys.stdin, sys.stdout, sys.stderr} - set(kept):
                with contextlib.suppress(Exception):  # what cannot be written any more was to be dropped
                    stream.close()
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)
        if writer:
            writer.join()
        out.close()
        err.close()


def _text(descriptor: int, mode: str) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, mode, closefd=False)
    buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    errors = "backslashreplace" if descriptor == 2 else "strict"
    return io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, line_buffering=descriptor == 2)


def _source(stdin: bytes | None) -> tuple[int, threading.Thread | None]:
    """A descriptor with these bytes, and the thread that writes them unless a pipe holds all of them."""
    if stdin is None:
        return os.open(os.devnull, os.O_RDONLY), None
    read, write = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as pipe:
            pipe.write(stdin)

    if len(stdin) <= select.PIPE_BUF:
        feed()
        return read, None
    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    return read, thread


@contextlib.contextmanager
def _variables(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ[name] != value:
                os.environ[name] = value


@contextlib.contextmanager
def _process_state(words: list[str]) -> Iterator[None]:
    """What a command may change because its process ends with it: arguments, warnings, PyTorch's settings."""
    arguments, main = sys.argv, sys.modules["__main__"]
    torch_before = _torch_settings()
    sys.argv = words
    sys.modules["__main__"] = ModuleType("__main__")  # the name of the program is looked up there
    try:
        with warnings.catch_warnings():
            yield
    finally:
        sys.argv, sys.modules["__main__"] = arguments, main
        _restore_torch(torch_before)
        gc.collect()  # networks; and a file that was left open warns in the test that left it


def _torch_settings() -> tuple[int, bool] | None:
    torch = sys.modules.get("torch")
    return (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) if torch else None


def _restore_torch(settings: tuple[int, bool] | None) -> None:
    torch = sys.modules.get("torch")
    if torch is None:
        return
    threads, deterministic = settings or (1, False)
    if _torch_settings() != (threads, deterministic):
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
