"""A run without a network, whose records another run can go on with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from senet_cli.errors import ImageError
from senet_cli.events import Event
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.inference.records import ImageFailure, ImageResult, Prediction, Record
from senet_cli.output.base import open_output
from senet_cli.output.choose import make_writer
from senet_cli.output.endings import WRITTEN, Format
from senet_cli.output.recording import Earlier, Recording
from senet_cli.tasks.resume import begin, go_on

FACTS = {"model": "a.b", "number of predictions": "1"}
RESUMABLE: list[Format] = [name for name, written in WRITTEN.items() if written.resumable]


class Stop(Exception):  # noqa: N818 - as a signal is none
    """What stops a run of these tests."""


class Run:
    """A run over files of a folder, without a network: the record of an image is made from its bytes.

    Attributes:
        done: names of the images that were read.
        heard: what was reported.
        said: what was told, and where the records are if it was stopped, with their number.
    """

    def __init__(self, path: Path, earlier: Earlier = "refuse", style: Format = "csv") -> None:
        self.path, self.earlier, self.style = path, earlier, style
        self.done: list[str] = []
        self.heard: list[Event] = []
        self.said: list[str] = []
        self.facts = dict(FACTS)
        self.batch: int | None = None

    def report(self, event: Event) -> None:
        self.heard.append(event)

    def __call__(self, sources: Iterable[Source], stop: int | None = None, asked: str = "photos") -> Run:
        recording = Recording(
            self.earlier, {}, lambda where, count, error: self.said.append(f"{count} {where} {error!r}")
        )
        writer = make_writer(self.style)
        with open_output(self.path, tell=self.said.append, recording=recording) as out:
            assert out.journal
            request = SourceRequest((asked,))
            begin(out.journal, self.facts, request)
            rest = go_on(out.journal, request, iter(sources), self, self.batch)
            head = "" if out.journal.tally.images else writer.begin()
            for source in rest:
                if len(self.done) == stop:
                    raise Stop
                self.done.append(source.name)
                record = record_of(source)
                out.record(record, head + writer.record(record))
                head = ""
        return self


def record_of(source: Source) -> Record:
    try:
        with source.open() as file:
            text = file.read().decode()
    except ImageError as error:
        return ImageFailure(source.name, "a.b", error.kind, error.message, passing=error.passing)
    except Exception:  # noqa: BLE001 - an image that fails is a record
        return ImageFailure(source.name, "a.b", "missing", "no such file")
    return ImageResult(source.name, "a.b", (Prediction(text, None, 1, 0.5),))


def stopped(path: Path, images: list[Source], after: int, style: Format = "csv") -> Run:
    run = Run(path, style=style)
    with pytest.raises(Stop):
        run(images, stop=after)
    return run


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file())
