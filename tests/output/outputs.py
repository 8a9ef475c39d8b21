"""What the tests of writers share: records of each kind, odd names, and what a format makes of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from senet_cli.inference.records import ImageFailure, ImageResult, Prediction, Record
from senet_cli.output.base import Format
from senet_cli.output.choose import make_writer

BEST = Prediction("goldfinch", "n01531178", 11, 0.93)
SECOND = Prediction("brambling", None, 10, 0.0123456789)
GOOD = ImageResult("a/b.jpg", "seresnet50.a2", (BEST, SECOND))
NOTHING = ImageResult("dark.jpg", "seresnet50.a2", ())
BAD = ImageFailure("broken.jpg", "seresnet50.a2", "decode", "damaged image: truncated")
RECORDS: list[Record] = [GOOD, NOTHING, BAD]

ODD_BYTES = b"caf\xe9/\xff\xfe.jpg"
ODD_NAME = ODD_BYTES.decode(errors="surrogateescape")


def written(records: Iterable[Record], name: Format, **options: Any) -> str:
    writer = make_writer(name, **options)
    return writer.begin() + "".join(map(writer.record, records)) + writer.end()


def with_path(record: Record, path: str) -> Record:
    if isinstance(record, ImageFailure):
        return ImageFailure(path, record.model, record.kind, record.message)
    return ImageResult(path, record.model, record.predictions)


ANY_NAME = st.binary(min_size=1).filter(lambda name: b"\0" not in name).map(os.fsdecode)
RECORD = st.sampled_from(RECORDS)
