"""Text from outside (file names, servers) on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Control characters and undecodable bytes as escapes: no name moves the cursor or changes colours."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
