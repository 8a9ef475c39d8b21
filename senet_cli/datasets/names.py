"""Names of classes and files as they are compared: in one Unicode form."""

from __future__ import annotations

import re
import unicodedata


def normal(name: str) -> str:
    """Put a name into normalisation form C, to compare it; files are opened by the name they have.

    A Mac hands out names of files with accents apart from their letters (form D), lists mostly hold form C.
    """
    return unicodedata.normalize("NFC", name)


def plain(name: str) -> str:
    """Simplify a name for loose comparison: upper case, blanks, `_` and `-` do not matter."""
    return normal(re.sub(r"[\s_-]+", " ", normal(name)).strip().casefold())
