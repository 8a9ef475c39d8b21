"""Fresh processes: one to measure in, and whole commands with a watch in hand."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from senet_cli.errors import DeviceError, SenetError

Result = TypeVar("Result")


def in_new_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """What `function(*arguments)` returns in a process that has done nothing before.

    Raises:
        SenetError: what the function raised.
        DeviceError: the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        result: Result | SenetError = receiver.recv()
    except EOFError:
        process.join()
        raise DeviceError(
            f"the process that measured ended with {process.exitcode}",
            "If it was killed for its memory, use a smaller --batch-size.",
        ) from None
    finally:
        process.kill()
        process.join()
    if isinstance(result, SenetError):
        raise result
    return result


def _answer(sender: Connection, function: Callable[..., object], arguments: Sequence[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    with contextlib.suppress(BrokenPipeError):
        try:
            sender.send(function(*arguments))
        except SenetError as error:
            sender.send(error)


def seconds_of(arguments: Sequence[str], runs: int) -> tuple[float, ...]:
    """Seconds that `senet <arguments>` takes as a whole process, run by run, after one that warms up.

    Raises:
        DeviceError: the command failed.
    """
    seconds = []
    for run in range(runs + 1):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "senet_cli", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise DeviceError(f"`senet {' '.join(arguments)}` failed: {done.stderr.strip()[-500:]}")
        if run:
            seconds.append(time.perf_counter() - start)
    return tuple(seconds)
