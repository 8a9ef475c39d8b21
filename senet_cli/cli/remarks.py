"""How a data set was understood, in words for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from senet_cli.cli.console import note

if TYPE_CHECKING:
    from senet_cli.datasets.labelled import Remark


def tell_remarks(remarks: Iterable[Remark], *, quiet: bool) -> None:
    """A note for each, and what to do where it is not what was meant."""
    remarks = list(remarks)
    for remark in remarks:
        note(str(remark), quiet=quiet)
    if any(remark.by_name for remark in remarks):
        note("with --no-parts all folders are classes, whatever they are called", quiet=quiet)
