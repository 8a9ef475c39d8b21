"""Entry of the process: whatever happens ends in one message and an exit code of the table."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, MutableMapping
from types import FrameType
from typing import NoReturn

from senet_cli.errors import DiskError, ExitCode, HungUp, OutputClosed, SenetError, Terminated
from senet_cli.settings import debugging


def main() -> NoReturn:
    """Run the command line and exit."""
    _open_standard_streams()
    wait_passively(os.environ)
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _hang_up)
    code = perform()
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)  # networks and modules need not be taken apart first: the system is faster


def wait_passively(environment: MutableMapping[str, str]) -> None:
    """Let threads of OpenMP sleep while they wait for each other; what the user has set stays.

    By default they spin, and take the processor from the thread that they wait for wherever processors are
    shared or a container has a quota. OpenMP reads this when PyTorch is imported, so it comes first.
    (OpenMP 5.2, 21.7; KMP_BLOCKTIME is what Intel's runtime has beside it.)
    """
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("KMP_BLOCKTIME", "0")


def perform() -> int:
    """Run the command line on the arguments, streams and environment of `sys` and `os`.

    Returns:
        The exit code.
    """
    code = run(_app)
    _flush()
    return code


def _app() -> int:
    from senet_cli.cli.app import run as run_command
    from senet_cli.output.stream import checked_stdout

    if not _in_a_folder():
        raise DiskError(
            *_NOWHERE
        )  # before libraries meet it, some of which then end the process without a word
    sys.stdout = checked_stdout(sys.stdout)
    return run_command()


def _open_standard_streams() -> None:
    """Take the numbers 0, 1 and 2 where they are closed: the next file to be opened would get them.

    Then what is meant for standard error, by native code too, would land in that file. Results that go to a
    closed standard output fail, as reading from a closed standard input does.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def run(application: Callable[[], object]) -> int:
    """Run `application`, which may return an exit code, and translate how it ends."""
    try:
        code = application()
    except SystemExit as end:
        return _as_code(end.code)
    except SenetError as error:
        return _signal_behind(error) or _complain(error)
    except (OutputClosed, BrokenPipeError) as error:
        _discard_stdout()
        return _signal_behind(error) or ExitCode.OUTPUT_CLOSED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated as signalled:
        return signalled.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort, which says that this is our fault
        if code := _signal_behind(error):
            return code
        if isinstance(error, FileNotFoundError) and not _in_a_folder():
            return _complain(DiskError(*_NOWHERE))
        _confess(error)
        return ExitCode.BUG
    return code if isinstance(code, int) else ExitCode.OK


_NOWHERE = ("the current folder is not there any more", "Change to one that is, as by `cd`.")


def _in_a_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def _complain(error: SenetError) -> ExitCode:
    from senet_cli.cli.console import complain

    complain(error)
    return error.exit_code


def _signal_behind(error: BaseException | None) -> ExitCode | None:
    """Find the signal that is behind an error.

    Some libraries wrap what interrupts their import; and what is closed on the way out may fail, as standard
    output does when its terminal is gone.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return ExitCode.INTERRUPTED
        if isinstance(error, Terminated):
            return error.exit_code
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


def _hang_up(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # both the shell and the system send it
    raise HungUp


def _flush() -> None:
    """Flush the streams; a closed pipe that they meet must not be Python's last words."""
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
