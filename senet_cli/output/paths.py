"""Names alone, for `xargs` and the like: of images that have a class, one after the other."""

from __future__ import annotations

from senet_cli.inference.records import ImageFailure, Record


class PathsWriter:
    """The name of each image with a prediction, as it was given, and what ends a name.

    Args:
        null: True to end names with a NUL byte, which no name holds, instead of a line end, which it may.
    """

    def __init__(self, *, null: bool = False) -> None:
        self._end = "\0" if null else "\n"

    def begin(self) -> str:
        """See `Writer`."""
        return ""

    def record(self, record: Record) -> str:
        """See `Writer`; empty for an image that has no class."""
        if isinstance(record, ImageFailure) or not record.predictions:
            return ""
        return record.path + self._end

    def end(self) -> str:
        """See `Writer`."""
        return ""
