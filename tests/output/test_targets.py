"""What a path for output stands for, and what is never overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from senet_cli.errors import DiskError, UsageError
from senet_cli.images.decode import FORMATS
from senet_cli.images.signatures import begins_as_image, is_image
from senet_cli.images.sources import EXTENSIONS
from senet_cli.output.plots import draw_curves
from senet_cli.output.targets import check_target, find_target
from senet_cli.tasks.train.folder import RunFolder

posix = pytest.mark.skipif(os.name != "posix", reason="such names are for POSIX systems")


# --- descriptors --------------------------------------------------------------------------------


@posix
def test_every_name_of_a_descriptor_is_that_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc")
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "chain").symlink_to("link")
    (tmp_path / "folder").symlink_to("/dev/fd")
    monkeypatch.chdir(tmp_path)
    own = f"/proc/{os.getpid()}"
    names = {
        **{"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/1": 1, "/dev/fd/63": 63},
        **{"/proc/self/fd/1": 1, f"{own}/fd/12": 12, "/proc/thread-self/fd/1": 1},
        **{"link": 1, "chain": 1, "folder/5": 5, "/dev/../dev/stdout": 1, "/dev//fd//1": 1},
    }
    found = {name: find_target(Path(name)).descriptor for name in names}
    assert found == names
    for name in ("/dev/null", "/dev/fd", "x", "/proc/1/fd/1", "/dev/fd/x", "fd/1"):
        try:
            assert find_target(Path(name)).descriptor is None, name
        except DiskError:
            assert name != "/dev/null"


@posix
def test_links_are_followed_also_to_what_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    for name in ("there", "dangling"):
        link = tmp_path / f"to-{name}"
        link.symlink_to(name)
        assert find_target(link).path == (tmp_path / name).resolve()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DiskError, match="symbolic links"):
        find_target(tmp_path / "loop")


# --- images and other inputs --------------------------------------------------------------------


def test_no_image_is_replaced_whatever_its_name(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 30), "red")
    saved = [(style, image) for style in (*FORMATS, "JPEG2000", "ICO", "MPO")]
    saved += [("PPM", image.convert(mode)) for mode in ("1", "L")]
    for number, (style, picture) in enumerate(saved):
        picture.save(tmp_path / f"{number}", style)
    styles = [style for number, (style, _) in enumerate(saved) if not is_image(tmp_path / f"{number}")]
    assert styles == []
    with pytest.raises(UsageError, match="is an image"):
        check_target(tmp_path / "0")


def test_nothing_is_written_under_the_name_of_an_image(tmp_path: Path) -> None:
    for ending in (*EXTENSIONS, ".heic", ".CR2"):
        with pytest.raises(UsageError, match="ending of an image"):
            check_target(tmp_path / f"in1{ending}")


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"B", b"BM", b"BM1.jpg\t1\tcat\t0.9\t\t3\t\n", b"P5", b"P6.jpg\t1\t", b"P1\t1\tcat\t0.9\n"),
        *(b"path,rank,label", b'[\n{"schema": 1', b"GIF", b"\x1f\x8b\x08\0", b"II", b"RIFF\0\0\0\0WAVE"),
        b"\0\0\0\x20ftypisom",
    ],
)
def test_text_and_other_files_are_no_images(text: bytes) -> None:
    assert not begins_as_image(text)


def test_a_picture_of_ours_replaces_only_pictures_of_ours(tmp_path: Path) -> None:
    ours, photo = tmp_path / "c.png", tmp_path / "photo.png"
    ours.write_bytes(draw_curves({"a": [1.0, 0.5]}, {"a": [1.0, 2.0]}))
    Image.new("RGB", (40, 30)).save(photo)
    check_target(ours, picture=True)
    check_target(tmp_path / "new.png", picture=True)
    for path, picture in ((photo, True), (ours, False), (tmp_path / "new.jpg", True)):
        with pytest.raises(UsageError, match="image"):
            check_target(path, picture=picture)


def test_what_the_run_reads_is_not_replaced(tmp_path: Path) -> None:
    names = tmp_path / "list.txt"
    names.write_text("a.jpg\n")
    other = tmp_path / "other.txt"
    other.hardlink_to(names)
    for path in (names, other, tmp_path / "." / "list.txt"):
        with pytest.raises(UsageError, match="read by this run"):
            check_target(path, ["gone", "", names, "\0"])
    check_target(names, ["gone", tmp_path])


# --- what may not be written --------------------------------------------------------------------


def test_what_cannot_be_written_is_known_before_any_work(tmp_path: Path) -> None:
    protected = tmp_path / "protected.tsv"
    protected.write_text("precious")
    protected.chmod(0o444)
    for path, said in (
        (protected, "write-protected"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "x.tsv", "there is no folder"),
        (protected / "x.tsv", "there is no folder|Not a directory"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        with pytest.raises(DiskError, match=said):
            check_target(path)


def test_a_write_protected_file_of_a_run_stays(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_log([])
    log = tmp_path / "log.csv"
    log.write_text("precious")
    log.chmod(0o444)
    with pytest.raises(DiskError, match="write-protected"):
        folder.save_log([])
    assert log.read_text() == "precious"
    log.chmod(0o640)
    folder.save_log([])
    assert log.stat().st_mode & 0o777 == 0o640
    assert log.read_text() != "precious"


@posix
def test_a_working_folder_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(DiskError, match="No such file"):
        check_target(Path("out.csv"))
    assert check_target(tmp_path / "out.csv").path == (tmp_path / "out.csv").resolve()
