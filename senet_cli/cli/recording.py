"""`--resume` and `--start-over`: going on with a run that was stopped, and what is said when one stops."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from senet_cli.cli.console import warn
from senet_cli.cli.help import OUTPUT
from senet_cli.errors import Terminated, UsageError
from senet_cli.output.base import Format
from senet_cli.output.endings import WRITTEN, compression_of
from senet_cli.output.targets import Target
from senet_cli.output.text import printable

if TYPE_CHECKING:
    from senet_cli.output.recording import Recording

ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Keep the records of a run that was stopped, and do the rest.",
        rich_help_panel=OUTPUT,
    ),
]
StartOverOption = Annotated[
    bool,
    typer.Option(
        "--start-over",
        help="Delete the records of a run that was stopped, and begin anew.",
        rich_help_panel=OUTPUT,
    ),
]


def recording(
    target: Target | None,
    style: Format,
    facts: Mapping[str, str],
    *,
    resume: bool,
    start_over: bool,
    images: Callable[[], int | None],
) -> Recording | None:
    """Say how records are kept; None where no other run could go on with them.

    Args:
        target: of -o; None for standard output.
        style: format of the records.
        facts: what else decides their text.
        resume, start_over: as the options of these names.
        images: tells how many there are in all, None while that is not known.

    Raises:
        UsageError: the options contradict each other, or these results cannot be gone on with.
    """
    if resume and start_over:
        raise UsageError("`--resume` and `--start-over` contradict each other", "Give one of them.")
    if reason := _why_not(target, style):
        if resume or start_over:
            raise UsageError(f"`{'--resume' if resume else '--start-over'}` {reason}", _INSTEAD)
        return None

    from senet_cli.output.recording import Recording  # only runs that write a file wait for it

    def stopped(where: str, count: int, error: BaseException | None) -> None:
        how = "Interrupted" if isinstance(error, KeyboardInterrupt | Terminated) else "Stopped"
        of = f" of {total:,}" if (total := images()) is not None else ""
        again = "the same command"
        if not resume:
            again += " with --resume" + " in place of --start-over" * start_over
        warn(f"{how} after {count:,}{of}. They are in {printable(where)}; {again} continues.")

    return Recording("resume" if resume else "start over" if start_over else "refuse", facts, stopped)


_INSTEAD = "Use it with `-o FILE.jsonl`, `-o FILE.csv` or `-o FILE.tsv`."


def _why_not(target: Target | None, style: Format) -> str:
    """Say why nobody could go on with these results; empty if somebody could."""
    if target is None:
        return "is about a file of results, and these go to standard output"
    if not target.is_file:
        return f"is about a file of results, and `{target.given}` is not a plain file"
    if target.status and not os.access(target.path.parent, os.W_OK | os.X_OK):
        return f"needs a file beside `{target.given}`, whose folder may not be written"
    if compression_of(target.given):
        return f"cannot go on with a compressed file such as `{target.given}`"
    if not WRITTEN[style].resumable:
        return f"cannot go on with results in the format {style}"
    return ""


def is_complete_already(target: Target | None, *, resume: bool) -> bool:
    """Return True, and say so also with `-q`, if there is nothing to go on with: nobody knows whose it is."""
    if not resume or target is None:
        return False
    from senet_cli.output.recording import is_complete

    if complete := is_complete(target):
        warn(
            f"`{target.given}` is there already and stays as it is: no records of a stopped run lie beside "
            "it. `--start-over` makes it anew."
        )
    return complete
