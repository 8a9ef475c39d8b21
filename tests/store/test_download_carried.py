"""Files that were carried here, alone or in a folder, and plans that say what would be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer, flipped
from tests.store.downloads import PAYLOAD, Publish, contents, file_entry, installed, sha256

# --- from a file or a folder --------------------------------------------------------------------


def test_a_file_can_be_carried_here(here: Senet, server: FaultServer, tiny: Path, cache: Path) -> None:
    origin = tiny.parent / "whatever.bin"
    origin.write_bytes(PAYLOAD)
    done = here("download", "tiny", "--from", origin, "--offline")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tiny\t{cache / installed()}\n"
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert origin.read_bytes() == PAYLOAD
    assert server.requests == []


@pytest.mark.parametrize("data", [flipped(PAYLOAD), PAYLOAD[:-1], PAYLOAD + b"x", b""])
def test_a_wrong_file_is_refused(here: Senet, tiny: Path, cache: Path, data: bytes) -> None:
    origin = tiny.parent / "tiny.pth"
    origin.write_bytes(data)
    for place in (origin, origin.parent):
        assert here("download", "tiny", "--from", place).returncode == 6
    assert contents(cache) == set()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("tiny.pth", None),
        (f"{sha256(PAYLOAD)}.pth", None),
        ("tiny.pth", len(PAYLOAD)),
        ("renamed.bin", len(PAYLOAD)),
    ],
)
def test_a_folder_is_searched_by_name_by_digest_and_by_size(
    here: Senet,
    server: FaultServer,
    publish: Publish,
    tmp_path: Path,
    cache: Path,
    name: str,
    size: int | None,
) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=size)])
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / name).write_bytes(PAYLOAD)
    (folder / "another of the same size").write_bytes(flipped(PAYLOAD))
    (folder / "folder.pth").mkdir()
    done = here("download", "tiny", "--from", folder)
    assert done.returncode == 0, done.stderr
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert server.requests == []


def test_a_folder_without_the_file_says_what_it_looked_for(here: Senet, tiny: Path, cache: Path) -> None:
    (tiny.parent / "stick").mkdir()
    (tiny.parent / "stick" / "same size").write_bytes(flipped(PAYLOAD))
    done = here("download", "tiny", "--from", tiny.parent / "stick")
    assert done.returncode == 4
    assert "tiny.pth" in done.stderr
    assert contents(cache) == set()


def test_a_place_that_does_not_exist_is_a_disk_error(here: Senet, tiny: Path) -> None:
    done = here("download", "tiny", "--from", tiny.parent / "nowhere")
    assert done.returncode == 7
    assert "nowhere" in done.stderr


def test_one_file_cannot_be_two_models(here: Senet, tiny: Path) -> None:
    assert here("download", "tiny", "seresnet50", "--from", tiny).returncode == 2


def test_all_from_a_folder_installs_what_is_there(
    here: Senet, server: FaultServer, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    other = b"another"
    publish(
        one=[file_entry("https://one.invalid/one.pth")],
        two=[file_entry("https://two.invalid/two.pth", data=other)],
        three=[file_entry("https://three.invalid/three.pth", data=b"not there")],
    )
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "one.pth").write_bytes(PAYLOAD)
    (folder / "renamed").write_bytes(other)
    done = here("download", "--all", "--from", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"one\t{cache / installed()}\ntwo\t{cache / installed(other)}\n"
    assert contents(cache) == {installed(), installed(other), "index/one.json", "index/two.json"}


def test_all_from_a_folder_with_a_damaged_file_says_so(
    here: Senet, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    publish(
        one=[file_entry("https://one.invalid/one.pth")],
        two=[file_entry("https://two.invalid/two.pth", data=b"another")],
    )
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "one.pth").write_bytes(PAYLOAD)
    (folder / "two.pth").write_bytes(b"damaged")
    assert here("download", "--all", "--from", folder).returncode == 6
    assert contents(cache) == {installed(), "index/one.json"}


def test_all_from_a_folder_with_nothing_for_us_is_an_error(here: Senet, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    assert here("download", "--all", "--from", tmp_path / "stick").returncode == 4


def test_a_common_file_name_does_not_make_another_model_damaged(
    here: Senet, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    """Many files are called `model.safetensors`; the one that is there is the one, the other is not there."""
    publish(
        one=[file_entry("https://one.invalid/model.safetensors", bytes=None, format="safetensors")],
        two=[
            file_entry("https://two.invalid/model.safetensors", bytes=None, data=b"2", format="safetensors")
        ],
    )
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(PAYLOAD)
    done = here("download", "--all", "--from", folder)
    assert done.stdout == f"one\t{cache / installed(suffix='safetensors')}\n"
    assert done.returncode == 0, done.stderr


# --- plans --------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    server.files["/a.pth"] = Behaviour(PAYLOAD)
    publish(
        here=[file_entry(server.url("/a.pth"))],
        away=[file_entry(server.url("/b.pth"), data=b"another")],
        unsized=[file_entry(server.url("/c.pth"), data=b"third", bytes=None)],
    )
    assert here("download", "here", "away", "unsized", "--dry-run").stdout == (
        f"here\tdownload\t300000\t{server.url('/a.pth')}\n"
        f"away\tdownload\t7\t{server.url('/b.pth')}\n"
        f"unsized\tdownload\t\t{server.url('/c.pth')}\n"
    )
    assert server.requests == []
    assert not cache.exists()
    here("download", "here")
    done = here("download", "here", "away", "--dry-run")
    assert done.returncode == 0
    assert done.stdout == (
        f"here\tpresent\t0\t{cache / installed()}\naway\tdownload\t7\t{server.url('/b.pth')}\n"
    )


def test_a_dry_run_of_a_folder_says_what_it_holds(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "carried"
    folder.mkdir()
    absent = here("download", "tiny", "--from", folder, "--dry-run")
    assert (absent.returncode, absent.stdout) == (0, f"tiny\tabsent\t\t{folder}\n")
    (folder / "tiny.pth").write_bytes(PAYLOAD)
    held = here("download", "tiny", "--from", folder, "--dry-run")
    assert held.stdout == f"tiny\timport\t{len(PAYLOAD)}\t{folder / 'tiny.pth'}\n"
    assert here("download", "tiny", "--from", tmp_path / "nowhere", "--dry-run").returncode == 7
    assert contents(cache) == set()
    assert not server.requests


def test_printing_addresses_goes_with_nothing_else(here: Senet, tiny: Path) -> None:
    assert here("download", "tiny", "--print-urls", "--dry-run").returncode == 2
