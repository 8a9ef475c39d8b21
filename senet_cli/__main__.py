"""Entry of the process: whatever happens ends in one message and an exit code of the table."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from senet_cli.errors import ExitCode, OutputClosed, SenetError, Terminated
from senet_cli.settings import debugging


def main() -> NoReturn:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _terminate)
    code = perform()
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)  # networks and modules need not be taken apart first: the system is faster


def perform() -> int:
    """Run the command line on the arguments, streams and environment of `sys` and `os`.

    Returns:
        The exit code.
    """
    code = run(_app)
    _flush()
    return code


def _app() -> None:
    from senet_cli.cli.app import app
    from senet_cli.output.stream import checked_stdout

    sys.stdout = checked_stdout(sys.stdout)
    app()


def run(application: Callable[[], None]) -> int:
    """Run `application` and translate how it ends."""
    try:
        application()
    except SystemExit as end:
        return _as_code(end.code)
    except SenetError as error:
        from senet_cli.cli.console import complain

        complain(error)
        return error.exit_code
    except (OutputClosed, BrokenPipeError):
        _discard_stdout()
        return ExitCode.OUTPUT_CLOSED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated:
        return ExitCode.TERMINATED
    except Exception as error:  # noqa: BLE001 - the last resort, which says that this is our fault
        if code := _signal_behind(error):
            return code
        _confess(error)
        return ExitCode.BUG
    return ExitCode.OK


def _signal_behind(error: BaseException | None) -> ExitCode | None:
    """The signal that is behind an error: some libraries wrap what interrupts their import."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return ExitCode.INTERRUPTED
        if isinstance(error, Terminated):
            return ExitCode.TERMINATED
        error = error.__cause__ or error.__context__
    return None


def _as_code(code: object) -> int:
    if code is None:
        return ExitCode.OK
    return code if isinstance(code, int) else ExitCode.USAGE


def _confess(error: Exception) -> None:
    from senet_cli.cli.console import say

    if debugging():
        traceback.print_exc()
    say(f"error: this is a bug in senet: {type(error).__name__}: {error}", style="red")
    say("hint: run it again with SENET_DEBUG=1 and report what it prints.")


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _flush() -> None:
    """What is still buffered may meet a closed pipe; that must not be Python's last words."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, OutputClosed, SenetError):
        _discard_stdout()
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def _discard_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
