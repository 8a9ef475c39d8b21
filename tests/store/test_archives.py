"""Archives whose own digest nobody published: what is in them decides, and nothing in them can do harm."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.errors import CheckpointError, DigestError, ExitCode
from senet_cli.events import Silence
from senet_cli.store import archives
from senet_cli.store.cache import Cache
from senet_cli.store.install import import_file
from tests.faultserver import Behaviour, FaultServer, flipped, web_page
from tests.store.worlds import INDEX, NAME, PAYLOAD, Outcome, contents, download, published, sha256

MEMBER = "tiny-0123abcd.pth"
SHA1 = hashlib.sha1(PAYLOAD).hexdigest()


def packed(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return data.getvalue()


ARCHIVE = packed((MEMBER, PAYLOAD))
SQUEEZED = packed((MEMBER, "".join(map(str, range(50_000))).encode()))
FINAL = f"checkpoints/{sha256(ARCHIVE)}.zip"


def in_archive(folder: Path, *urls: str) -> Checkpoint:
    """A checkpoint of which only the member's SHA-1 is published."""
    changes = {"sha256": None, "bytes": None, "format": "torch-zip", "layout": "pytorchcv"}
    return published(folder, *urls, **changes, member=MEMBER, member_sha1=SHA1)


def fetch(server: FaultServer, root: Path, tmp_path: Path, *answers: Behaviour) -> Outcome:
    server.files["/a.pth.zip"] = list(answers)
    return download(in_archive(tmp_path, server.url("/a.pth.zip")), root)


# --- what is published ---


def test_the_right_member_is_installed_and_pins_the_archive(
    server: FaultServer, root: Path, tmp_path: Path
) -> None:
    outcome = fetch(server, root, tmp_path, Behaviour(ARCHIVE))
    assert outcome.code == 0, outcome.said
    assert contents(root) == {FINAL, INDEX}
    again = download(in_archive(tmp_path, server.url("/a.pth.zip")), root)
    assert again.code == 0
    assert len(server.requests) == 1


def test_a_broken_off_archive_is_resumed(server: FaultServer, root: Path, tmp_path: Path) -> None:
    cut = Behaviour(ARCHIVE, etag='"one"', stop_after=100_000)
    outcome = fetch(server, root, tmp_path, cut, Behaviour(ARCHIVE, etag='"one"'))
    assert outcome.code == 0
    assert server.requests[1].headers["range"] == "bytes=100000-"
    assert contents(root) == {FINAL, INDEX}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(packed((MEMBER, flipped(PAYLOAD))), id="another member of the same name"),
        pytest.param(packed(("other.pth", PAYLOAD)), id="the same bytes under another name"),
        pytest.param(PAYLOAD, id="no archive"),
    ],
)
def test_another_archive_is_refused(data: bytes, server: FaultServer, root: Path, tmp_path: Path) -> None:
    outcome = fetch(server, root, tmp_path, Behaviour(data))
    assert outcome.code == ExitCode.DIGEST
    assert "not the published bytes" in outcome.said
    assert not any("checkpoints/" in name for name in contents(root))


def test_a_web_page_is_called_one(server: FaultServer, root: Path, tmp_path: Path) -> None:
    outcome = fetch(server, root, tmp_path, web_page())
    assert outcome.code == ExitCode.DIGEST
    assert "text/html" in outcome.said


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed((f"../{MEMBER}", PAYLOAD)), "a path"),
        (packed((f"/tmp/{MEMBER}", PAYLOAD)), "a path"),
        (packed((f"a\\{MEMBER}", PAYLOAD)), "a path"),
        (packed((MEMBER, PAYLOAD), ("more.pth", b"")), "2 files"),
        (packed(), "0 files"),
        (packed((MEMBER, bytes(50_000_000))), "no weights do"),
        (ARCHIVE[:-30], "not a zip archive"),
        (ARCHIVE[:1000] + flipped(ARCHIVE[1000:2000]) + ARCHIVE[2000:], "not a zip archive"),
        (SQUEEZED[:200] + flipped(SQUEEZED[200:300]) + SQUEEZED[300:], "not a zip archive"),
    ],
    ids=["up", "root", "backslash", "two", "none", "bomb", "cut", "damaged", "damaged where it is squeezed"],
)
def test_a_harmful_or_damaged_archive_is_refused(
    data: bytes, words: str, server: FaultServer, root: Path, tmp_path: Path
) -> None:
    outcome = fetch(server, root, tmp_path, Behaviour(data))
    assert outcome.code == ExitCode.MODEL
    assert words in outcome.said
    assert "a.pth.zip" in outcome.said
    assert not any(name.endswith((".zip", ".pth")) for name in contents(root))
    assert not list(tmp_path.glob(f"**/{MEMBER}"))


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(packed((MEMBER, bytes(200_000_000))))
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="no weights do"):
        archives.sha1_of(path, "bomb")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_member_that_lies_about_its_size_is_read_no_further(tmp_path: Path) -> None:
    honest = packed((MEMBER, bytes(40_000_000)))
    size, small = (40_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    path = tmp_path / "liar.zip"
    path.write_bytes(honest.replace(size, small))
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="not a zip archive"):
        archives.sha1_of(path, "liar")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


# --- where it lies ---


def test_it_is_found_without_its_index(server: FaultServer, root: Path, tmp_path: Path) -> None:
    fetch(server, root, tmp_path, Behaviour(ARCHIVE))
    (root / INDEX).unlink()
    found = Cache(root).find(in_archive(tmp_path, "https://example.org/a.pth.zip"))
    assert found is not None
    assert found.sha256 == sha256(ARCHIVE)
    assert contents(root) == {FINAL, INDEX}


def test_another_archive_with_a_member_of_this_name_is_not_taken(root: Path, tmp_path: Path) -> None:
    other = packed((MEMBER, flipped(PAYLOAD)))
    path = root / f"checkpoints/{sha256(other)}.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(other)
    assert Cache(root).find(in_archive(tmp_path, "https://example.org/a.pth.zip")) is None
    assert path.exists()


def test_a_carried_archive_is_verified(root: Path, tmp_path: Path) -> None:
    checkpoint = in_archive(tmp_path, "https://example.org/a.pth.zip")
    carried = tmp_path / "usb" / "a.pth.zip"
    carried.parent.mkdir()
    carried.write_bytes(packed((MEMBER, flipped(PAYLOAD))))
    with pytest.raises(DigestError, match=SHA1):
        import_file(checkpoint, Cache(root), carried, Silence())
    carried.write_bytes(ARCHIVE)
    installed = import_file(checkpoint, Cache(root), carried.parent, Silence())
    assert installed.sha256 == sha256(ARCHIVE)
    assert contents(root) == {FINAL, f"index/{NAME}.json"}


def test_verify_looks_inside(server: FaultServer, root: Path, tmp_path: Path) -> None:
    fetch(server, root, tmp_path, Behaviour(ARCHIVE))
    checkpoint = in_archive(tmp_path, "https://example.org/a.pth.zip")
    assert Cache(root).verify(checkpoint) is not None
    (root / FINAL).write_bytes(ARCHIVE + b"more")
    with pytest.raises(DigestError, match="has changed since"):
        Cache(root).verify(checkpoint)
