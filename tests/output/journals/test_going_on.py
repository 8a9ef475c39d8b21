"""Cut off at any byte, killed at any record, with images that changed: what holds is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from senet_cli.errors import ImageError
from senet_cli.events import RecordsKept
from senet_cli.images.sources import Source
from senet_cli.output.claims import journal_name, partial_name
from senet_cli.output.endings import Format
from tests.output.journals.runs import RESUMABLE, Run, Stop, files, stopped

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and cutting open files are those of POSIX")


# --- going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", RESUMABLE)
def test_after_any_record_the_file_is_that_of_an_uninterrupted_run(
    tmp_path: Path, images: list[Source], style: Format
) -> None:
    whole = tmp_path / "whole"
    assert Run(whole, style=style)(images).done == [image.name for image in images]
    for after in range(1, len(images)):
        path = tmp_path / f"r{after}"
        first = stopped(path, images, after, style)
        assert first.said == [f"{after} {path}.partial Stop()"]
        again = Run(path, "resume", style)(images)
        assert [*first.done, *again.done] == [image.name for image in images]
        assert path.read_bytes() == whole.read_bytes()
        (kept,) = (event for event in again.heard if isinstance(event, RecordsKept))
        assert (kept.kept, kept.of, kept.changed) == (after, after, None)
    assert files(tmp_path) == [*(f"r{n}" for n in range(1, len(images))), "whole"]


def test_killed_when_all_is_done_nothing_is_done_again(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last record and the rename."""
    whole, path = tmp_path / "whole", tmp_path / "r"
    Run(whole)(images)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run = Run(path)
        with pytest.raises(KeyboardInterrupt):
            run(images)
    assert run.said == [f"the results lie in `{path}.partial`"]
    assert Run(path, "resume")(images).done == []
    assert path.read_bytes() == whole.read_bytes()
    assert files(tmp_path) == ["r", "whole"]


def test_cut_off_at_any_byte_of_either_file_it_is_mended(tmp_path: Path, images: list[Source]) -> None:
    """Also both at once, near the ends of records and lines. What both files have whole is not done again."""
    whole, path = tmp_path / "whole", tmp_path / "r"
    Run(whole)(images)
    stopped(path, images, 3)
    partial, journal = partial_name(path), journal_name(path)
    records, lines = partial.read_bytes(), journal.read_bytes()
    first = lines.index(b"\n") + 1
    ends = [json.loads(line)[4] for line in lines[first:].splitlines()]
    line_ends = [first + len(b"".join(lines[first:].splitlines(keepends=True)[:n])) for n in (1, 2, 3)]
    near = [(r + i, j + k) for r in [0, *ends] for j in line_ends for i in (-1, 0, 1) for k in (-1, 0, 1)]
    pairs = [
        *((cut, len(lines)) for cut in range(len(records) + 1)),
        *((len(records), cut) for cut in (*range(0, first - 3, 29), *range(first - 3, len(lines) + 1))),
        *((max(0, cut), line_cut) for cut, line_cut in near),
    ]
    assert len(pairs) > 350
    for cut, line_cut in pairs:
        path.unlink(missing_ok=True)
        partial.write_bytes(records[:cut])
        journal.write_bytes(lines[:line_cut])
        run = Run(path, "resume")(images)
        assert path.read_bytes() == whole.read_bytes(), (cut, line_cut)
        there = sum(end <= cut and last <= line_cut for end, last in zip(ends, line_ends, strict=True))
        assert len(run.done) == len(images) - there, (cut, line_cut)
        unknown = line_cut < first and cut > 0  # nothing says whose that is
        assert files(tmp_path) == ["r", *(["r.partial", "r.partial.journal"] if unknown else []), "whole"]
        if unknown:
            assert partial.read_bytes() == records[:cut]
            assert run.said
            partial.unlink()
            journal.unlink()


def test_a_byte_that_is_another_costs_the_records_from_there_on(tmp_path: Path, images: list[Source]) -> None:
    """As zeros of a power cut do."""
    whole, path = tmp_path / "whole", tmp_path / "r"
    Run(whole)(images)
    stopped(path, images, 3)
    partial, journal = partial_name(path), journal_name(path)
    records, lines = partial.read_bytes(), journal.read_bytes()
    for file, other in ((partial, journal), (journal, partial)):
        content = records if file is partial else lines
        for place in range(lines.index(b"\n") + 1 if file is journal else 0, len(content), 7):
            path.unlink(missing_ok=True)
            other.write_bytes(lines if other is journal else records)
            file.write_bytes(content[:place] + b"\0" + content[place + 1 :])
            assert len(Run(path, "resume")(images).done) >= 1
            assert path.read_bytes() == whole.read_bytes(), (file, place)


def test_where_scores_depend_on_the_batch_whole_batches_are_kept(
    tmp_path: Path, images: list[Source]
) -> None:
    """The third of them cannot be read, so batches of two hold a, b; then gone, qu, a; then b, gone, qu."""
    sources = images * 2
    begins = {1: 0, 2: 2, 3: 2, 4: 2, 5: 5, 6: 5, 7: 5}
    for after, begin_at in begins.items():
        path = tmp_path / "r"
        stopped(path, sources, after)
        run = Run(path, "resume")
        run.batch = 2
        assert run(sources).done == [source.name for source in sources[begin_at:]], after
    stopped(path, sources, 7)
    run = Run(path, "resume")
    run.batch = 2
    assert run(sources[:7]).done == []  # what is not full was the last one


# --- images that changed ------------------------------------------------------------------------


def test_records_hold_as_long_as_images_are_what_they_were(tmp_path: Path, images: list[Source]) -> None:
    extra = tmp_path / "photos" / "extra.jpg"
    extra.write_text("more")
    other = Source(str(extra))
    first, second, third, last = images
    cases = {
        "inserted": ([first, other, second, third, last], 1, other),
        "removed": ([first, third, last], 1, third),
        "shorter": ([first, second], 2, third),
        "longer": ([*images, other], 3, None),
        "at the beginning": ([other, *images], 0, other),
    }
    for name, (now, kept, changed) in cases.items():
        path = tmp_path / name
        stopped(path, images, 3)
        run = Run(path, "resume")(now)
        assert run.done == [source.name for source in now[kept:]]
        (event,) = run.heard
        assert isinstance(event, RecordsKept)
        assert (event.kept, event.of, event.changed) == (kept, 3, changed.name if changed else None)
        whole = tmp_path / "whole"
        Run(whole)(now)
        assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("change", ["size", "time", "gone", "there"])
def test_an_image_that_changed_is_done_again(tmp_path: Path, images: list[Source], change: str) -> None:
    path = tmp_path / "r"
    stopped(path, images, 3)
    place = 2 if change == "there" else 1
    image = Path(images[place].name)
    if change in ("size", "there"):
        image.write_text("otherwise")
    elif change == "time":
        os.utime(image, ns=(1, 1))
    else:
        image.unlink()
    assert Run(path, "resume")(images).done == [source.name for source in images[place:]]


PASSING = {
    "unreadable": ImageError("unreadable", "Permission denied", passing=True),
    "decode": ImageError("decode", "not enough memory", passing=True),
    "format": ImageError("format", "this is HEIC", passing=True),
}


@pytest.mark.parametrize("kind", PASSING)
def test_a_failure_that_has_passed_is_done_again(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Size and time of change are what they were after `chmod`, with more memory, or with another library."""
    whole, path, opened = tmp_path / "whole", tmp_path / "r", Source.open
    Run(whole)(images)

    def fails(source: Source) -> BinaryIO:
        if source.name == images[1].name:
            raise PASSING[kind]
        return opened(source)

    monkeypatch.setattr(Source, "open", fails)
    stopped(path, images, 3)
    still = Run(path, "resume")
    with pytest.raises(Stop):
        still(images, stop=0)
    assert still.said == [f"3 {path}.partial Stop()"]
    monkeypatch.setattr(Source, "open", opened)
    assert Run(path, "resume")(images).done == [image.name for image in images[1:]]
    assert path.read_bytes() == whole.read_bytes()


def test_bytes_that_came_through_a_pipe_are_told_by_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "r"
    sources = [Source("-", data=b"cat"), Source("/dev/fd/63", data=b"dog"), Source("/dev/fd/62", data=b"cow")]
    stopped(path, sources, 2)
    sources[1] = Source("/dev/fd/63", data=b"hog")
    assert Run(path, "resume")(sources).done == ["/dev/fd/63", "/dev/fd/62"]
