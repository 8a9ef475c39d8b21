"""A run that goes on with records of another: cut off at any byte, changed, otherwise made, not ours."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from senet_cli.errors import DiskError, ImageError, UsageError
from senet_cli.events import Event, RecordsKept, RecordsOfAnotherVersion
from senet_cli.images.decode import _broken, decode
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.inference.records import ImageFailure, ImageResult, Prediction, Record
from senet_cli.output import claims, journal, recording
from senet_cli.output.base import open_output
from senet_cli.output.choose import make_writer
from senet_cli.output.claims import belongs_to, journal_name, partial_name
from senet_cli.output.endings import WRITTEN, Format
from senet_cli.output.recording import Earlier, Recording, is_complete
from senet_cli.output.targets import Target, find_target
from senet_cli.tasks.resume import begin, go_on
from tests.output.outputs import ODD_NAME

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and cutting open files are those of POSIX")

FACTS = {"model": "a.b", "number of predictions": "1"}
RESUMABLE: list[Format] = [name for name, written in WRITTEN.items() if written.resumable]


class Stop(Exception):  # noqa: N818 - as a signal is none
    """What stops a run of these tests."""


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files of these tests need not outlast a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


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


@pytest.fixture
def images(tmp_path: Path) -> list[Source]:
    """Four images: one has an odd name, one is not there."""
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["a.jpg", os.path.basename(ODD_NAME), "gone.jpg", 'qu"ote,\n.jpg']  # noqa: PTH119 - odd bytes
    for name, text in zip(names, ["cat", "dög", None, "sea\nlion"], strict=True):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return [Source(str(folder / name)) for name in names]


def stopped(path: Path, images: list[Source], after: int, style: Format = "csv") -> Run:
    run = Run(path, style=style)
    with pytest.raises(Stop):
        run(images, stop=after)
    return run


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file())


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


def test_which_failures_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the bytes alone do not decide, and no other."""
    png = io.BytesIO()
    Image.effect_noise((32, 32), 50).save(png, "PNG")
    data = {
        "text": b"no image at all",
        "empty": b"",
        "damaged": png.getvalue()[:-60],
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    }
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    found = {}
    for name, content in data.items():
        with pytest.raises(ImageError) as caught:
            decode(io.BytesIO(content))
        found[name] = (caught.value.kind, caught.value.passing)
    assert found == {
        "text": ("format", True),
        "empty": ("empty", False),
        "damaged": ("decode", False),
        "heic": ("format", True),
    }
    broken = [
        _broken(error) for error in (MemoryError(), OSError(errno.EIO, "Input/output error"), ValueError())
    ]
    assert [(error.kind, error.passing) for error in broken] == [
        ("decode", True),
        ("unreadable", True),
        ("decode", False),
    ]
    for name, passing in (("a\0b", True), (str(tmp_path / "gone"), False), (str(tmp_path), False)):
        with pytest.raises(ImageError) as caught:
            Source(name).open()
        assert caught.value.passing is passing


def test_bytes_that_came_through_a_pipe_are_told_by_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "r"
    sources = [Source("-", data=b"cat"), Source("/dev/fd/63", data=b"dog"), Source("/dev/fd/62", data=b"cow")]
    stopped(path, sources, 2)
    sources[1] = Source("/dev/fd/63", data=b"hog")
    assert Run(path, "resume")(sources).done == ["/dev/fd/63", "/dev/fd/62"]


# --- what is refused ----------------------------------------------------------------------------


def test_records_that_were_made_otherwise_are_refused_and_stay(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    before = partial_name(path).read_bytes(), journal_name(path).read_bytes()
    for name, value in (("model", "other.model"), ("number of predictions", "5"), ("new option", "on")):
        run = Run(path, "resume")
        run.facts[name] = value
        with pytest.raises(UsageError, match=rf"another {name}: .*, and now it is {value}") as caught:
            run(images)
        assert "r.partial" in caught.value.message
        assert (run.done, run.said) == ([], [])
        assert (partial_name(path).read_bytes(), journal_name(path).read_bytes()) == before


def test_another_command_cuts_off_no_record_of_an_image_that_it_does_not_name(
    tmp_path: Path, images: list[Source]
) -> None:
    """Neither where some are the same, nor behind one that changed."""
    path = tmp_path / "r"
    first, second, third, last = images
    stopped(path, images, 3)
    before = partial_name(path).read_bytes(), journal_name(path).read_bytes()
    wrong = {
        "ends": ([first], f"one is of `{second.name}`, and there are no more images here"),
        "others": ([first, third, last], f"one is of `{second.name}`, and here comes `{third.name}`"),
        "none": ([second, third, last], f"one is of `{first.name}`, and here comes `{second.name}`"),
        "ends behind": ([first, second], f"one is of `{third.name}`, and there are no more images here"),
    }
    for changed in (False, True):
        if changed:
            os.utime(first.name, ns=(1, 1))
        for name, (now, said) in wrong.items():
            for batch in (None, 2):
                run = Run(path, "resume")
                run.batch = batch
                with pytest.raises(UsageError) as caught:
                    run(now, asked="elsewhere")
                assert said in caught.value.message, name
                assert "of `photos`," in caught.value.message
                assert run.done == []
                assert (partial_name(path).read_bytes(), journal_name(path).read_bytes()) == before
    whole = tmp_path / "whole"
    Run(whole)(images)
    assert len(Run(path, "resume")(images, asked="elsewhere").done) == 4  # changed, under the same names
    assert path.read_bytes() == whole.read_bytes()
    stopped(path, images, 2)
    assert len(Run(path, "resume")(images, asked="photos and more").done) == 2


def test_another_version_is_told_and_goes_on(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    journal = journal_name(path)
    head, _, rest = journal.read_text().partition("\n")
    journal.write_text(json.dumps(json.loads(head) | {"senet": "0.0.1"}) + "\n" + rest)
    run = Run(path, "resume")(images)
    assert [e.version for e in run.heard if isinstance(e, RecordsOfAnotherVersion)] == ["0.0.1"]
    assert len(run.done) == 2


def test_a_journal_of_another_form_is_refused(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    journal = journal_name(path)
    journal.write_text(journal.read_text().replace('"senet-journal": 1', '"senet-journal": 2', 1))
    for earlier in ("resume", "refuse"):
        with pytest.raises(UsageError, match="whose journals this version does not read"):
            Run(path, earlier)(images)
    assert files(tmp_path) == ["r.partial", "r.partial.journal"]


def test_without_being_asked_nobody_touches_the_records_of_a_run_before(
    tmp_path: Path, images: list[Source]
) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    before = partial_name(path).read_bytes(), journal_name(path).read_bytes()
    with pytest.raises(DiskError, match=r"r\.partial` holds the records of a run that was stopped"):
        Run(path)(images)
    assert (partial_name(path).read_bytes(), journal_name(path).read_bytes()) == before
    assert Run(path, "start over")(images).done == [image.name for image in images]
    assert files(tmp_path) == ["r"]


class Unavailable(Exception):  # noqa: N818 - as a model that cannot be had is
    """What stops a run of these tests before its first record."""


@pytest.mark.parametrize("moment", ["opened", "begun", "before the first record"])
@pytest.mark.parametrize("earlier", ["start over", "resume"])
def test_records_of_a_run_before_survive_whatever_fails_before_the_first_new_one(
    tmp_path: Path, images: list[Source], moment: str, earlier: Earlier
) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    Path(images[1].name).write_text("otherwise")  # going on would cut a record off
    before = partial_name(path).read_bytes(), journal_name(path).read_bytes()
    said: list[object] = []
    with pytest.raises(Unavailable):
        fail(moment, path, images, Recording(earlier, {}, lambda *what: said.append(what[:2])))
    assert (partial_name(path).read_bytes(), journal_name(path).read_bytes()) == before
    told = (moment, earlier) == ("before the first record", "resume")
    assert said == ([(f"{path}.partial", 1)] if told else [])
    assert Run(path, "resume")(images).done == [image.name for image in images[1:]]


def fail(moment: str, path: Path, images: list[Source], recording: Recording) -> None:
    with open_output(path, recording=recording) as out:
        assert out.journal
        request = SourceRequest(("photos",))
        if moment != "opened":
            begin(out.journal, FACTS, request)
        if moment == "before the first record":
            list(go_on(out.journal, request, iter(images), Run(path)))
        raise Unavailable


def test_starting_over_removes_a_journal_that_this_version_does_not_read(
    tmp_path: Path, images: list[Source]
) -> None:
    path = tmp_path / "r"
    for head in ({"senet-journal": 2}, {"senet-journal": 99, "senet": "9.0", "records": []}):
        stopped(path, images, 2)
        journal_name(path).write_text(json.dumps(head) + "\n")
        assert not is_complete(find_target(path))
        assert Run(path, "start over")(images).done == [image.name for image in images]
        assert files(tmp_path) == ["r"]


def test_a_journal_of_brackets_in_brackets_is_torn(tmp_path: Path, images: list[Source]) -> None:
    path, deep = tmp_path / "r", "[" * 100_000
    stopped(path, images, 2)
    journal = journal_name(path)
    head, first, _ = journal.read_text().splitlines()
    journal.write_text(f"{head}\n{first}\n{deep}\n")
    assert Run(path, "resume")(images).done == [image.name for image in images[1:]]
    stopped(path, images, 2)
    journal.write_text('{"senet-journal": ' + deep + "\n")
    assert Run(path, "resume")(images).done == [image.name for image in images]
    assert files(tmp_path) == ["r", "r.partial", "r.partial.journal"]


def test_what_made_the_records_is_read_under_the_lock(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may have begun them anew, and been stopped, since they were looked at."""
    path = tmp_path / "r"
    stopped(path, images, 2)
    lock = claims.take_over

    def after_another(partial: Path, target: Target) -> int | None:
        monkeypatch.setattr(recording, "take_over", lock)
        other = Run(path, "start over")
        other.facts["model"] = "other.model"
        with pytest.raises(Stop):
            other(images, stop=1)
        return lock(partial, target)

    monkeypatch.setattr(recording, "take_over", after_another)
    with pytest.raises(UsageError, match=r"another model: other\.model, and now it is"):
        Run(path, "resume")(images)


# --- whose file it is ---------------------------------------------------------------------------


def test_files_of_somebody_else_stay_as_they_are(tmp_path: Path, images: list[Source]) -> None:
    whole = tmp_path / "whole"
    Run(whole)(images)
    theirs = {
        "no journal": {"r.partial": "precious"},
        "another journal": {"r.partial": "precious", "r.partial.journal": "dear diary\n"},
        "a journal alone": {"r.partial.journal": "dear diary\n"},
        "empty, with their journal": {"r.partial": "", "r.partial.journal": "dear diary\n"},
    }
    for name, contents in theirs.items():
        for earlier in ("refuse", "resume", "start over"):
            folder = tmp_path / f"{name} {earlier}"
            folder.mkdir()
            for file, text in contents.items():
                (folder / file).write_text(text)
            path = folder / "r"
            stopped(path, images, 1)
            assert (folder / "r.partial-2.journal").exists()
            with pytest.raises(DiskError, match=r"r\.partial-2` holds the records"):
                Run(path)(images)
            assert len(Run(path, "resume")(images).done) == 3
            assert path.read_bytes() == whole.read_bytes()
            assert files(folder) == ["r", *contents]
            assert {file: (folder / file).read_text() for file in contents} == contents


@pytest.mark.parametrize("earlier", ["refuse", "resume", "start over"])
def test_files_of_another_user_stay_as_they_are(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch, earlier: Earlier
) -> None:
    """What is as good as a journal of ours, in a folder that several users write."""
    for left in ("both", "empty", "a journal alone"):
        folder = tmp_path / left
        folder.mkdir()
        path = folder / "r"
        stopped(path, images, 2)
        if left == "empty":
            partial_name(path).write_bytes(b"")
            journal_name(path).unlink()
        elif left == "a journal alone":
            partial_name(path).unlink()
        before = {file.name: (file.read_bytes(), file.stat().st_ino) for file in folder.iterdir()}
        with monkeypatch.context() as patched:
            patched.setattr(os, "geteuid", lambda: os.getuid() + 1)
            run = Run(path, earlier)(images)
        assert run.done == [image.name for image in images]
        assert files(folder) == ["r", *sorted(before)]
        assert {n: ((folder / n).read_bytes(), (folder / n).stat().st_ino) for n in before} == before
        assert "r.partial-2" in "".join(run.said)


def test_the_superuser_goes_on_with_what_got_the_owner_of_the_file(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the journal, which nobody else can have written, is the superuser's."""
    path = tmp_path / "r"
    path.write_text("older")
    stopped(path, images, 2)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    own = {journal_name(path).stat().st_ino}
    monkeypatch.setattr(journal, "is_own", lambda status: status.st_ino in own)
    monkeypatch.setattr(claims, "is_own", lambda _status: False)
    assert len(Run(path, "resume")(images).done) == 2
    assert files(tmp_path) == ["r"]
    own.clear()
    stopped(path, images, 2)
    assert len(Run(path, "resume")(images).done) == 4
    assert files(tmp_path) == ["r", "r.partial", "r.partial.journal"]


@pytest.mark.parametrize("earlier", ["refuse", "resume", "start over"])
def test_both_files_have_the_mode_of_the_file_that_is_replaced(
    tmp_path: Path, images: list[Source], earlier: Earlier
) -> None:
    path = tmp_path / "r"
    if earlier == "refuse":
        partial_name(path).write_bytes(b"")
    else:
        stopped(path, images, 2)
        journal_name(path).chmod(0o666)
    partial_name(path).chmod(0o666)
    path.write_text("older")
    path.chmod(0o600)
    run = Run(path, earlier)
    with pytest.raises(Stop):
        run(images, stop=1)
    assert [each.stat().st_mode & 0o777 for each in (partial_name(path), journal_name(path))] == [0o600] * 2
    Run(path, "resume")(images)
    assert path.stat().st_mode & 0o777 == 0o600


def test_links_and_folders_in_our_places_are_never_followed(tmp_path: Path, images: list[Source]) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    for number, names in enumerate(
        (["r.partial"], ["r.partial.journal"], ["r.partial", "r.partial.journal"])
    ):
        folder = tmp_path / f"links{number}"
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(precious)
        Run(folder / "r", "resume")(images)
        assert files(folder) == ["r", *names]
        assert precious.read_text() == ""
    folder = tmp_path / "folder"
    (folder / "r.partial.journal").mkdir(parents=True)
    Run(folder / "r", "resume")(images)
    assert (folder / "r").exists()


def test_what_is_left_where_nothing_was_written_is_taken_over(tmp_path: Path, images: list[Source]) -> None:
    """Killed before the first record, or between the rename and the end."""
    path = tmp_path / "r"
    for contents in ({"r.partial": ""}, {"r.partial": "", "r.partial.journal": '{"senet-jour'}):
        for file, text in contents.items():
            (tmp_path / file).write_text(text)
        assert len(Run(path)(images).done) == 4
        assert files(tmp_path) == ["r"]
        path.unlink()
    stopped(path, images, 2)
    partial_name(path).unlink()
    assert len(Run(path)(images).done) == 4
    assert files(tmp_path) == ["r"]


def test_a_run_that_is_stopped_before_its_first_record_leaves_nothing(
    tmp_path: Path, images: list[Source]
) -> None:
    path = tmp_path / "r"
    assert stopped(path, images, 0).said == []
    assert files(tmp_path) == []


def test_a_run_that_goes_on_and_is_stopped_at_once_leaves_what_was_there(
    tmp_path: Path, images: list[Source]
) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    before = partial_name(path).read_bytes(), journal_name(path).read_bytes()
    run = Run(path, "resume")
    with pytest.raises(Stop):
        run(images, stop=0)
    assert run.said == [f"2 {path}.partial Stop()"]
    assert (partial_name(path).read_bytes(), journal_name(path).read_bytes()) == before


def test_a_run_in_progress_is_never_gone_on_with(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    recording = Recording("refuse", {}, lambda *_: None)
    with open_output(path, recording=recording) as out:
        assert out.journal
        out.journal.begin(FACTS, ["photos"], "0")
        for earlier in ("refuse", "resume", "start over"):
            with pytest.raises(DiskError, match="another run writes"):
                Run(path, earlier)(images)
    assert path.read_bytes() == b""


# --- what else is there -------------------------------------------------------------------------


def test_a_complete_file_is_told_from_one_that_was_begun(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    assert not is_complete(find_target(path))
    path.touch()
    assert not is_complete(find_target(path))
    path.write_text("older")
    assert is_complete(find_target(path))
    stopped(path, images, 2)
    assert not is_complete(find_target(path))
    partial_name(path).write_bytes(b"")
    assert not is_complete(find_target(path))
    partial_name(path).unlink()
    assert is_complete(find_target(path))  # the journal alone says nothing
    journal_name(path).unlink()
    partial_name(path).write_text("precious")
    assert is_complete(find_target(path))
    assert path.read_text() == "older"


def test_both_files_are_passed_over_where_images_are_looked_for(tmp_path: Path) -> None:
    for name in ("r.csv", "x" * 255, "ä" * 120 + ".jsonl"):
        ours = belongs_to(tmp_path / name)
        for number in (1, 2, 12):
            for path in (
                partial_name(tmp_path / name, number),
                journal_name(tmp_path / name, number),
            ):
                assert ours(str(path))
                assert len(os.fsencode(path.name)) <= 255
        assert not ours(str(tmp_path / "r.csv.journal"))


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    """Going on after 10,000 records takes no more of it than after 1,000."""
    peaks = []
    for count in (1_000, 10_000):
        path = tmp_path / f"r{count}"
        sources = (Source(f"gone/{number:06}.jpg") for number in range(count + 1))
        run = Run(path)
        with pytest.raises(Stop):
            run(sources, stop=count)
        run.done.clear()
        again = Run(path, "resume")
        sources = (Source(f"gone/{number:06}.jpg") for number in range(count + 1))
        tracemalloc.start()
        again(sources)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert again.done == [f"gone/{count:06}.jpg"]
    assert peaks[1] < peaks[0] + 200_000
