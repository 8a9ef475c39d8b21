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

from senet_cli.errors import DeviceError, ExitCode, advise

Result = TypeVar("Result")


def in_new_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call `function(*arguments)` in a process that has done nothing before.

    Raises:
        Exception: what the function raised.
        DeviceError: the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        result: Result | Exception = receiver.recv()
    except EOFError:
        process.join()
        raise _ended(process.exitcode) from None
    finally:
        process.kill()
        process.join()
    if isinstance(result, Exception):
        raise result
    return result


def _ended(code: int | None) -> Exception:
    if code is not None and code < 0:
        return DeviceError(
            f"the process that measured was killed by signal {-code}",
            advise("smaller-batch"),
        )
    return RuntimeError(f"the process that measured ended with {code}")


def _answer(sender: Connection, function: Callable[..., object], arguments: Sequence[Any]) -> None:
    for name in ("SIGINT", "SIGHUP"):  # the parent hears them too, and ends this process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        try:
            sender.send(function(*arguments))
        except Exception as error:  # noqa: BLE001 - raised again in the parent
            sender.send(error)


def seconds_of(arguments: Sequence[str], runs: int) -> tuple[float, ...]:
    """Time `senet <arguments>` as a whole process, in seconds, run by run, after one that warms up."""
    command = [sys.executable, "-P", "-m", "senet_cli", *arguments]  # -P: no modules of the current folder
    seconds = []
    for run in range(runs + 1):
        start = time.perf_counter()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode not in {ExitCode.OK, ExitCode.SOME_FAILED}:
            told = done.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"`senet {' '.join(arguments)}` ended with {done.returncode}: {told[-500:]}")
        if run:
            seconds.append(time.perf_counter() - start)
    return tuple(seconds)
