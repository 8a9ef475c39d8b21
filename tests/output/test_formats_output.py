"""Where any format is written: a file gets its name when it is complete, and what fails is told apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.errors import DiskError, OutputClosed
from senet_cli.inference.records import Record
from senet_cli.output.base import FORMATS, Format, Output, open_output
from senet_cli.output.choose import make_writer
from senet_cli.output.endings import WRITTEN
from tests.output.outputs import RECORD, written


@given(st.lists(RECORD, max_size=4), st.sampled_from(FORMATS))
def test_every_writer_adds_only_at_the_end(records: list[Record], name: Format) -> None:
    """What was written once stays, so that a reader may follow a running classification."""
    whole = written(records, name)
    writer = make_writer(name)
    parts = [writer.begin(), *map(writer.record, records), writer.end()]
    assert "".join(parts) == whole
    if name != "paths":  # which has nothing to say of an image without a class
        assert all(parts[1:-1])


def test_every_format_has_its_row() -> None:
    assert {*WRITTEN} == {*FORMATS}
    endings = [ending for row in WRITTEN.values() for ending in row.endings]
    assert len(endings) == len({*endings})
    assert "" in endings


def test_a_file_gets_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    target, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"
    target.write_text("older")
    with open_output(target) as out:
        out.write("newer\r\n")
        assert partial.read_bytes() == b"newer\r\n"  # flushed, for who looks on
        assert target.read_text() == "older"
    assert target.read_bytes() == b"newer\r\n"
    assert not partial.exists()


def stopped_run(target: Path, error: BaseException) -> None:
    with open_output(target) as out:
        out.write("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DiskError("full"), ZeroDivisionError()])
def test_what_stops_a_run_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.csv"
    target.write_text("older")
    with pytest.raises(type(error)):
        stopped_run(target, error)
    assert target.read_text() == "older"
    assert (tmp_path / "out.csv.partial").read_text() == "half"


def test_a_file_that_cannot_be_written_is_a_disk_error(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "folder" / "out.csv", tmp_path):
        with pytest.raises(DiskError, match="writing"), open_output(path):
            pytest.fail("there is nothing to write to")


def test_a_device_is_written_directly() -> None:
    with open_output(Path("/dev/null")) as out:
        out.write("anything")
    assert not Path("/dev/null.partial").exists()


def test_a_full_disk_is_a_disk_error() -> None:
    with pytest.raises(DiskError, match="No space left"), open_output(Path("/dev/full")) as out:
        out.write("anything")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the pipe, once more, at its close
def test_a_reader_that_went_away_is_no_error_of_the_disk() -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w")
    with pytest.raises(OutputClosed):
        Output(stream, "a pipe").write("anything")
    with pytest.raises(BrokenPipeError):
        stream.close()
