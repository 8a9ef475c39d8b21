"""Text from outside (file names, manifests, servers) on its way out."""

from __future__ import annotations

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Control characters and undecodable bytes as escapes: no name moves the cursor or changes colours."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def encodable_json(text: str) -> str:
    """JSON whose lone surrogates (bytes of odd file names) are escapes, as Python reads them back."""
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
