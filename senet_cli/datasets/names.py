"""Names of classes and files as they are compared: in one Unicode form."""

from __future__ import annotations

import re
import unicodedata


def normal(name: str) -> str:
    """The name in normalisation form C, in which names are compared; files are opened by the name they have.

    A Mac hands out names of files with accents apart from their letters (form D), lists mostly hold form C.
    """
    return unicodedata.normalize("NFC", name)


def plain(name: str) -> str:
    """The name for loose comparison: upper case, blanks, `_` and `-` do not matter."""
    return normal(re.sub(r"[\s_-]+", " ", normal(name)).strip().casefold())
