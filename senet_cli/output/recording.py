"""Partial files with a journal: a new one, or that of an earlier run, whichever was asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from senet_cli.errors import DiskError, advise
from senet_cli.output.claims import (
    NUMBERS,
    check_unused,
    claim,
    discard_empty,
    in_use,
    journal_name,
    partial_name,
    resemble,
    take_over,
)
from senet_cli.output.journal import Header, Journal, is_journal, may_be_written, read_header
from senet_cli.output.targets import Target

Earlier = Literal["refuse", "resume", "start over"]
"""What becomes of the partial file of an earlier run."""


@dataclass(frozen=True, slots=True)
class Recording:
    """How a run's records are kept for another run that goes on with them.

    Args:
        earlier: what becomes of the records of a run before.
        facts: what decides the text of a record besides the model, by what people call it.
        stopped: called if the file is not completed, with where its records are, how many they are, and what
            stopped the run, None if that was not an error.
    """

    earlier: Earlier
    facts: Mapping[str, str]
    stopped: Callable[[str, int, BaseException | None], None]


def is_complete(target: Target) -> bool:
    """Return True if there is nothing to go on with: the file is there, and no run left a part of it.

    Of which run the file is, nothing tells any more. An empty one is of none, as `mktemp` makes it.
    """
    there = target.is_file and target.status is not None and target.status.st_size > 0
    return there and not any(_is_ours(target, number) for number in NUMBERS)


def claim_recorded(target: Target, earlier: Earlier) -> tuple[int, Path, Journal]:
    """Claim the partial file that a run with a journal writes.

    One of an earlier run is ours if its journal says so and both are this user's. Any other stays as it is,
    but for an empty one of this user, which is made anew.

    Returns:
        Its descriptor, locked and open for writing, its path, and its journal.

    Raises:
        OSError: none can be made there.
        DiskError: another run writes the target, or an earlier one left records that shall not be touched.
        UsageError: the journal is of another form.
    """
    check_unused(target)
    for number in NUMBERS:
        if not _is_ours(target, number):
            continue
        path, journal = partial_name(target.path, number), journal_name(target.path, number)
        if (descriptor := take_over(path, target)) is None:
            continue
        if not os.fstat(descriptor).st_size:
            with contextlib.suppress(OSError):  # then another name is taken
                discard_empty(descriptor, path)
            continue
        return descriptor, path, _taken_over(descriptor, target, path, journal, earlier)
    descriptor, path = claim(target, is_free=lambda number: may_be_written(journal_name(target.path, number)))
    journal = journal_name(target.path, _number(target, path))
    return descriptor, path, _journal(descriptor, target, path, journal, None)


def _taken_over(descriptor: int, target: Target, path: Path, journal: Path, earlier: Earlier) -> Journal:
    """Open the journal of an earlier run's partial file, which is locked by now; both stay as they are."""
    try:
        header = None if earlier == "start over" else read_header(journal)
        if earlier == "refuse":
            where = target.given.with_name(path.name)
            raise DiskError(
                f"`{where}` holds the records of a run that was stopped, and stays as it is",
                advise("resume-or-start-over"),
            )
        if header is None and earlier == "resume":  # since it was looked at, another process changed it
            raise in_use(target)
        resemble(descriptor, target)
    except BaseException:
        os.close(descriptor)
        raise
    return _journal(descriptor, target, path, journal, header)


def _journal(descriptor: int, target: Target, path: Path, journal: Path, header: Header | None) -> Journal:
    try:
        return Journal(journal, path, descriptor, f"`{target.given.with_name(path.name)}`", header)
    except BaseException:
        os.close(descriptor)
        raise


def _number(target: Target, path: Path) -> int:
    return next(number for number in range(1, 10**9) if partial_name(target.path, number) == path)


def _is_ours(target: Target, number: int) -> bool:
    """Return True for a partial file with a journal, and for an empty one, in which nothing can be lost."""
    path, journal = partial_name(target.path, number), journal_name(target.path, number)
    if _is_empty(path):
        return may_be_written(journal)
    return os.path.lexists(path) and is_journal(journal)


def _is_empty(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == 0
