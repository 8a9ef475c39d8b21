"""What a cache holds after downloads: files that entries share, and whatever else happened to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer, flipped
from tests.store.downloads import PAYLOAD, Publish, contents, file_entry, installed, sha256

# --- shared files -------------------------------------------------------------------------------


@pytest.fixture
def pair(server: FaultServer, publish: Publish) -> Path:
    """Two entries with one and the same file."""
    server.files["/shared.pth"] = Behaviour(PAYLOAD)
    entry = file_entry(server.url("/shared.pth"))
    return publish(one=[entry], two=[entry])


def test_two_entries_share_one_file(here: Senet, server: FaultServer, pair: Path, cache: Path) -> None:
    done = here("download", "one", "two")
    assert done.stdout == f"one\t{cache / installed()}\ntwo\t{cache / installed()}\n"
    assert contents(cache) == {installed(), "index/one.json", "index/two.json"}
    assert len(server.requests) == 1


def test_removing_keeps_a_file_that_another_entry_uses(here: Senet, pair: Path, cache: Path) -> None:
    here("download", "one", "two")
    first = here("cache", "rm", "one")
    assert (first.returncode, first.stdout) == (0, "")
    assert contents(cache) == {installed(), "index/two.json"}
    second = here("cache", "rm", "two")
    assert "0.3 MB freed" in second.stderr
    assert contents(cache) == set()


def test_the_published_pair_shares_its_file() -> None:
    manifest = load_manifest()
    cadene, legacy = manifest.checkpoint("seresnet50.cadene"), manifest.checkpoint("seresnet50.legacy")
    assert cadene.files[0].digest == legacy.files[0].digest
    assert cadene.files[0].digest_name == legacy.files[0].digest_name


def test_removing_all_leaves_nothing(here: Senet, pair: Path, cache: Path) -> None:
    here("download", "one")
    (cache / "checkpoints" / f"{'0' * 64}.bad").write_bytes(b"put aside")
    (cache / "checkpoints" / ".half.part").write_bytes(b"left over")
    assert here("cache", "rm", "--all").returncode == 0
    assert contents(cache) == set()


# --- what happens to a cache --------------------------------------------------------------------


def test_verify_tells_ok_damaged_and_missing(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    missing = here("verify", "tiny")
    assert (missing.returncode, missing.stdout) == (4, "tiny\tmissing\t\n")
    here("download", "tiny")
    good = here("verify", "tiny")
    assert (good.returncode, good.stdout) == (0, f"tiny\tok\t{sha256(PAYLOAD)}\n")
    assert good.stdout in here("verify").stdout

    before = (cache / installed()).stat()
    (cache / installed()).write_bytes(flipped(PAYLOAD))
    os.utime(cache / installed(), ns=(before.st_atime_ns, before.st_mtime_ns))  # not even the time tells
    assert here("verify", "tiny").returncode == 0
    damaged = here("verify", "--deep", "tiny")
    assert (damaged.returncode, damaged.stdout) == (6, "tiny\tdamaged\t\n")
    assert "senet download tiny" in damaged.stderr
    aside = installed().replace(".pth", ".bad")
    assert contents(cache) == {aside, "index/tiny.json"}
    assert (cache / aside).read_bytes() == flipped(PAYLOAD)

    assert here("download", "tiny").returncode == 0
    assert here("verify", "tiny").returncode == 0
    assert len(server.requests) == 2


@pytest.mark.parametrize("damage", [flipped(PAYLOAD), PAYLOAD[:-1], PAYLOAD + b"x", b""])
def test_a_download_repairs_a_damaged_file(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, damage: bytes
) -> None:
    here("download", "tiny")
    (cache / installed()).write_bytes(damage)
    done = here("download", "tiny")
    assert done.returncode == 0
    assert "has changed" in done.stderr
    assert (cache / installed()).read_bytes() == PAYLOAD


def test_a_file_that_changed_is_not_predicted_with(senet: Senet, tiny: Path, cache: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tiny.parent / "a.png")
    senet("download", "tiny")
    (cache / installed()).write_bytes(flipped(PAYLOAD))
    done = senet("predict", "a.png", "-m", "tiny", "--offline")
    assert done.returncode == 6
    assert done.stdout == ""
    assert "senet download tiny" in done.stderr
    assert installed() not in contents(cache)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"sha256": 1}', '{"sha256": "../../x", "size": 1, "mtime_ns": 1}', "\0"],
)
def test_a_damaged_index_is_no_loss(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, damage: str
) -> None:
    here("download", "tiny")
    whole = json.loads((cache / "index/tiny.json").read_text())
    (cache / "index/tiny.json").write_text(damage)
    done = here("download", "tiny")
    assert done.returncode == 0, done.stderr
    assert json.loads((cache / "index/tiny.json").read_text()) == whole
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [b"precious", None], ids=["to a file", "to nothing"])
def test_a_planted_link_is_replaced_and_its_target_left_alone(
    here: Senet, tiny: Path, cache: Path, content: bytes | None
) -> None:
    victim = tiny.parent / "victim"
    if content is not None:
        victim.write_bytes(content)
    (cache / "checkpoints").mkdir(parents=True)
    (cache / installed()).symlink_to(victim)
    assert here("download", "tiny").returncode == 0
    assert (victim.read_bytes() if victim.exists() else None) == content
    assert not (cache / installed()).is_symlink()
    assert (cache / installed()).read_bytes() == PAYLOAD


@pytest.mark.slow
def test_eight_processes_that_want_the_same_file_all_get_it(
    server: FaultServer, tiny: Path, cache: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, piece=30_000, pause=0.05)
    command = [sys.executable, "-m", "senet_cli", "download", "tiny"]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outcomes
    assert {out for out, _ in outcomes} == {f"tiny\t{cache / installed()}\n"}
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert (cache / installed()).read_bytes() == PAYLOAD
    index = json.loads((cache / "index/tiny.json").read_text())
    assert (index["sha256"], index["size"]) == (sha256(PAYLOAD), len(PAYLOAD))
