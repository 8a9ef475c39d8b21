"""Records that were made otherwise, or that nobody asked to touch, stay."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from senet_cli.errors import DiskError, UsageError
from senet_cli.events import RecordsOfAnotherVersion
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.output import claims, recording
from senet_cli.output.base import open_output
from senet_cli.output.claims import journal_name, partial_name
from senet_cli.output.recording import Earlier, Recording, is_complete
from senet_cli.output.targets import Target, find_target
from senet_cli.tasks.resume import begin, go_on
from tests.output.journals.runs import FACTS, Run, Stop, files, stopped

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and cutting open files are those of POSIX")


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
