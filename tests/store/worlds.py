"""What the tests of faults share: something published, a download of it in this process, and what it left."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from senet_cli.__main__ import run
from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli.reporter import ConsoleReporter
from senet_cli.errors import DigestError
from senet_cli.events import DamagedFilePutAside
from senet_cli.store import partial
from senet_cli.store.cache import Cache
from senet_cli.store.fetch import Fetcher, World
from senet_cli.store.transfer import HttpTransport, OfflineTransport, open_session
from tests.faultserver import Behaviour, FaultServer
from tests.store.downloads import PAYLOAD, checkpoint_entry, file_entry, sha256

NAME = "tiny.test"
HALF = len(PAYLOAD) // 2
MUCH = 48 * 2**20
"""More bytes than the buffers between two sockets on one machine take."""
GOOD = Behaviour(PAYLOAD)
CANARY = b"not yours"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


SHA256 = sha256(PAYLOAD)
FINAL = f"checkpoints/{SHA256}.pth"
INDEX = f"index/{NAME}.json"
NOBODYS_PID = 2**22 + 1
"""One more than Linux ever gives to a process."""


# --- something published ---


def entry(*urls: str, data: bytes = PAYLOAD, **changes: object) -> dict[str, Any]:
    """A manifest's checkpoint whose one file is `data` at `urls`; a change to None takes that field out."""
    return checkpoint_entry(file_entry(*urls, data=data, **changes))


def write_manifest(path: Path, entries: dict[str, dict[str, Any]]) -> Path:
    """A manifest for `--manifest`."""
    path.write_text(json.dumps({"schema": 1, "checkpoints": entries}))
    return path


def published(folder: Path, *urls: str, data: bytes = PAYLOAD, **changes: object) -> Checkpoint:
    """The checkpoint as the command reads it, from a manifest in `folder` that has only this one."""
    manifest = write_manifest(folder / "manifest.json", {NAME: entry(*urls, data=data, **changes)})
    return load_manifest(manifest).checkpoint(NAME)


# --- a download in this process ---


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a download ended.

    Args:
        code: exit code of the process, had it been one.
        said: all that a user reads.
        slept: seconds of each wait; none of them was waited in truth.
    """

    code: int
    said: str
    slept: list[float]


def download(
    checkpoint: Checkpoint,
    root: Path,
    *,
    below: tuple[Path, ...] = (),
    offline: bool = False,
    lock_timeout: float = 600.0,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
) -> Outcome:
    """What `senet download` does, with words and exit code, but without ever waiting before another try."""
    slept: list[float] = []
    said = io.StringIO()
    cache = Cache(root, below, lock_timeout)
    with open_session() as session, contextlib.redirect_stderr(said):
        transport = OfflineTransport() if offline else HttpTransport(session, clock, now)
        reporter = ConsoleReporter()
        fetcher = Fetcher(cache, transport, reporter, World(slept.append, lambda: 0.5))

        def command() -> None:
            try:
                present = cache.find(checkpoint)
            except DigestError as error:
                reporter.report(DamagedFilePutAside(error))
                present = None
            _ = present or fetcher.fetch(checkpoint)

        code = run(command)
    gc.collect()  # a connection that was left open is reported in the test that left it
    return Outcome(int(code), said.getvalue(), slept)


def ranges(server: FaultServer) -> list[str | None]:
    """What each request asked for; None is the whole."""
    return [request.headers.get("range") for request in server.requests]


# --- what it left ---


def contents(root: Path) -> set[str]:
    """Names of all files, links, pipes and the like below a folder, hidden ones included."""
    if not root.is_dir():
        return set()
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not _is_plain_folder(path)}


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def only_installed(root: Path, data: bytes = PAYLOAD) -> bool:
    """True if a cache holds the right file under its final name, its index entry, and nothing else."""
    final = f"checkpoints/{sha256(data)}.pth"
    return contents(root) == {final, INDEX} and (root / final).read_bytes() == data


def kept(root: Path) -> bytes:
    """The bytes of the one partial file, which with its note is all that a cache holds."""
    names = contents(root)
    (part,) = [name for name in names if name.endswith(".part")]
    assert names == {part, f"{part}.json"}
    return (root / part).read_bytes()


def leave_behind(
    root: Path,
    data: bytes,
    *,
    sha256: str = SHA256,
    host: str | None = None,
    pid: int = NOBODYS_PID,
    token: str | None = None,
    url: str | None = None,
    validator: str | None = None,
) -> Path:
    """A partial file as a killed process leaves it; with a note if there is a `url`."""
    folder = root / "partial"
    folder.mkdir(parents=True, exist_ok=True)
    host = partial._host() if host is None else host
    path = folder / f"{sha256}.{host}-{pid}-{token or secrets.token_hex(4)}.part"
    path.write_bytes(data)
    if url:
        path.with_name(path.name + ".json").write_text(json.dumps({"url": url, "validator": validator}))
    return path


# --- the command as a process, many times ---

_NURSERY = """
import contextlib, json, os, sys, time
import filelock, requests
from senet_cli.__main__ import main, run
from senet_cli.cli.app import app

with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    run(lambda: app(["download", "seresnet50", "--print-urls"]))  # imports the rest

for line in sys.stdin:
    task = json.loads(line)
    if "reap" in task:
        _, status = os.waitpid(task["reap"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["senet", *task["arguments"]]
    exec(task["patch"])
    while task["barrier"] and not os.path.exists(task["barrier"]):
        time.sleep(0.001)
    main()
"""


class Nursery:
    """Starts `senet` as processes of their own, but all from one that has done the imports: in milliseconds.

    Args:
        cache: their SENET_CACHE.
        log: takes what all of them print.
        patch: Python that each runs first.
        environment: more variables.
    """

    def __init__(self, cache: Path, log: Path, patch: str = "", **environment: str) -> None:
        self.log = log
        self._patch = patch
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"SENET_CACHE": str(cache)} | environment,
            text=True,
        )
        self._running: set[int] = set()

    def start(self, *arguments: object, barrier: Path | None = None) -> int:
        """Begin `senet ARGUMENTS`, once the file `barrier` exists; returns its process id."""
        task = {
            "arguments": [*map(str, arguments)],
            "log": str(self.log),
            "patch": self._patch,
            "barrier": barrier and str(barrier),
        }
        pid = self._ask(task)
        self._running.add(pid)
        return pid

    def end(self, pid: int, number: signal.Signals | None = None) -> int:
        """Send a signal if one is given, then wait for the end; returns the exit code, -9 for a kill."""
        if number is not None:
            os.kill(pid, number)
        code = self._ask({"reap": pid})
        self._running.discard(pid)
        return code

    def said(self) -> str:
        """All that was printed."""
        return self.log.read_text()

    def _ask(self, task: dict[str, Any]) -> int:
        assert self._parent.stdin
        assert self._parent.stdout
        self._parent.stdin.write(json.dumps(task) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pid in self._running:  # of a test that failed
            os.kill(pid, signal.SIGKILL)
        self._parent.communicate()
