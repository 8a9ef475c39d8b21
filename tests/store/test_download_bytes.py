"""Downloads against a real server on loopback: what arrives whole is installed, nothing else ever is."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import DigestError
from senet_cli.events import Silence
from senet_cli.store.cache import Cache
from senet_cli.store.fetch import Fetcher
from senet_cli.store.transfer import HttpTransport
from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer, flipped, web_page
from tests.store.downloads import (
    PAYLOAD,
    TWINS,
    Publish,
    checkpoint_entry,
    contents,
    file_entry,
    installed,
    known,
    sha256,
)

SHIP = Path(__file__).parents[2] / "examples" / "ship.jpg"

# --- when all goes well -------------------------------------------------------------------------


def test_a_download_is_one_file_under_its_digest_and_one_index_entry(
    senet: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    done = senet("download", "tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tiny\t{cache / installed()}\n"
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert (cache / installed()).read_bytes() == PAYLOAD
    index = json.loads((cache / "index/tiny.json").read_text())
    assert (index["sha256"], index["size"]) == (sha256(PAYLOAD), len(PAYLOAD))
    assert [request.path for request in server.requests] == ["/tiny.pth"]
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_a_manifest_given_as_an_option_comes_before_the_environment(
    senet: Senet, tiny: Path, cache: Path
) -> None:
    done = senet("download", "tiny", "--manifest", tiny, env={"SENET_MANIFEST": "/nowhere.json"})
    assert done.returncode == 0, done.stderr
    assert installed() in contents(cache)


def test_what_is_there_is_not_fetched_again(senet: Senet, server: FaultServer, tiny: Path) -> None:
    first, second = senet("download", "tiny"), senet("download", "tiny")
    assert (first.returncode, second.returncode) == (0, 0)
    assert second.stdout == first.stdout
    assert len(server.requests) == 1


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_a_server_need_not_announce_the_length(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, framing: Any
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, framing=framing)
    assert here("download", "tiny").returncode == 0
    assert contents(cache) == {installed(), "index/tiny.json"}


def test_a_file_that_drips_in_arrives(here: Senet, server: FaultServer, tiny: Path, cache: Path) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, piece=30_000, pause=0.02)
    assert here("download", "tiny").returncode == 0
    assert (cache / installed()).read_bytes() == PAYLOAD


def test_one_model_that_fails_does_not_keep_the_others_from_arriving(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    server.files["/good.pth"] = Behaviour(PAYLOAD)
    publish(
        gone=[file_entry(server.url("/gone.pth"))],
        good=[file_entry(server.url("/good.pth"))],
    )
    done = here("download", "gone", "good")
    assert done.returncode == 5
    assert done.stdout == f"good\t{cache / installed()}\n"
    assert "`gone` could not be downloaded" in done.stderr


# --- the wrong bytes ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 150_000, -1])
def test_a_flipped_bit_is_a_digest_mismatch(
    senet: Senet, server: FaultServer, tiny: Path, cache: Path, place: int
) -> None:
    server.files["/tiny.pth"] = Behaviour(flipped(PAYLOAD, place))
    done = senet("download", "tiny")
    assert done.returncode == 6
    assert done.stdout == ""
    assert sha256(flipped(PAYLOAD, place)) in done.stderr
    assert contents(cache) == set()


def test_a_cut_body_of_unpublished_size_is_a_digest_mismatch(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=None)])
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, framing="close", stop_after=1000)
    assert here("download", "tiny").returncode == 6
    assert contents(cache) == set()


def test_a_body_without_end_is_not_read_to_its_end(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    endless = PAYLOAD + bytes(64 * 2**20)
    server.files["/tiny.pth"] = Behaviour(endless, framing="close")
    done = here("download", "tiny")
    assert done.returncode == 6
    assert "300,000" in done.stderr
    assert contents(cache) == set()
    server.stop()
    assert 0 < server.requests[0].sent < len(endless)


def test_a_length_that_differs_is_refused_before_the_first_byte(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD + b"x")
    done = here("download", "tiny")
    assert done.returncode == 6
    assert "300,001" in done.stderr
    assert "300,000" in done.stderr
    assert contents(cache) == set()


def test_an_unpublished_size_has_a_cap(
    server: FaultServer, publish: Publish, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senet_cli.catalogue.entries.MAX_BYTES", 100_000)
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=None)])
    for framing in ("length", "close"):
        server.files["/tiny.pth"] = Behaviour(PAYLOAD, framing=framing)
        with pytest.raises(DigestError, match="100,000"):
            Fetcher(Cache(cache), HttpTransport(), Silence()).fetch(known())
    assert contents(cache) == set()


@pytest.mark.parametrize("size", [len(PAYLOAD), None], ids=["size published", "size not published"])
@pytest.mark.parametrize("framing", ["length", "close"])
def test_a_web_page_in_place_of_the_file_is_called_one(
    here: Senet, server: FaultServer, publish: Publish, cache: Path, size: int | None, framing: Any
) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=size)])
    server.files["/tiny.pth"] = replace(web_page(), framing=framing)
    done = here("download", "tiny")
    assert done.returncode in (5, 6)
    assert contents(cache) == set()
    assert "text/html" in done.stderr


def test_a_file_that_comes_compressed_is_refused(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(gzip.compress(PAYLOAD), headers={"Content-Encoding": "gzip"})
    done = here("download", "tiny")
    assert done.returncode == 5
    assert "gzip" in done.stderr
    assert contents(cache) == set()


# --- digests of which only a prefix is published ------------------------------------------------


def test_a_prefix_pins_the_full_digest(here: Senet, server: FaultServer, twin: str, cache: Path) -> None:
    done = here("download", "twin")
    assert done.returncode == 0
    assert done.stdout == f"twin\t{cache / twin}\n"
    assert contents(cache) == {twin, "index/twin.json"}
    assert json.loads((cache / "index/twin.json").read_text())["sha256"] == sha256(TWINS[0])
    assert here("verify", "twin").stdout == f"twin\tok\t{sha256(TWINS[0])}\n"
    assert here("download", "twin").stdout == done.stdout
    assert len(server.requests) == 1


def test_another_file_with_the_same_prefix_is_noticed(
    here: Senet, server: FaultServer, twin: str, cache: Path
) -> None:
    here("download", "twin")
    (cache / twin).write_bytes(TWINS[1])
    assert here("verify", "twin").returncode == 6
    assert contents(cache) == {twin.replace(".pth", ".bad"), "index/twin.json"}


def test_a_file_with_another_prefix_is_refused(
    here: Senet, server: FaultServer, twin: str, cache: Path
) -> None:
    server.files["/twin.pth"] = Behaviour(b"something else")
    assert here("download", "twin").returncode == 6
    assert contents(cache) == set()


def test_a_prefix_is_found_without_its_index(
    here: Senet, server: FaultServer, twin: str, cache: Path
) -> None:
    here("download", "twin")
    (cache / "index/twin.json").unlink()
    assert here("download", "twin").stdout == f"twin\t{cache / twin}\n"
    assert len(server.requests) == 1


@pytest.mark.parametrize("digest", ["../../victim", f"{sha256(TWINS[0])[:8]}/../../../victim"])
def test_an_index_cannot_lead_out_of_the_cache(
    here: Senet, server: FaultServer, twin: str, tmp_path: Path, cache: Path, digest: str
) -> None:
    victim = tmp_path / "victim.pth"
    victim.write_bytes(b"precious")
    (cache / "index").mkdir(parents=True)
    (cache / "checkpoints" / sha256(TWINS[0])[:8]).mkdir(parents=True)
    (cache / "index/twin.json").write_text(json.dumps({"sha256": digest, "size": 8, "mtime_ns": 0}))
    assert here("download", "twin").stdout == f"twin\t{cache / twin}\n"
    assert here("cache", "rm", "twin").returncode == 0
    assert victim.read_bytes() == b"precious"


def test_a_manifest_with_another_prefix_gets_another_file(
    here: Senet, server: FaultServer, publish: Publish, twin: str, cache: Path
) -> None:
    here("download", "twin")
    server.files["/twin.pth"] = Behaviour(PAYLOAD)
    digits = sha256(PAYLOAD)[:8]
    publish(twin=[file_entry(server.url("/twin.pth"), sha256=None, sha256_prefix=digits, bytes=None)])
    assert here("download", "twin").stdout == f"twin\t{cache / installed()}\n"


# --- a whole model, as people use it ------------------------------------------------------------


@pytest.fixture(scope="module")
def seresnet101() -> bytes:
    """A random SE-ResNet-101 as Cadene's file would hold it."""
    import torch

    from senet_cli.nets.network import build_network
    from senet_cli.weights.publishers.cadene import CADENE

    torch.manual_seed(0)
    network = build_network(load_manifest().architecture("seresnet101-caffe").spec)
    buffer = io.BytesIO()
    torch.save({CADENE.key(key): value for key, value in network.state_dict().items()}, buffer)
    return buffer.getvalue()


def publish_seresnet101(server: FaultServer, data: bytes, path: Path) -> None:
    """A manifest in which Cadene's SE-ResNet-101 is this file on this server."""
    entry = checkpoint_entry(file_entry(server.url("/se_resnet101.pth"), data=data))
    entry["architecture"] = "seresnet101-caffe"
    path.write_text(json.dumps({"schema": 1, "checkpoints": {"seresnet101.cadene": entry}}))


@pytest.mark.slow
def test_download_then_predict_into_head(
    data: Path, tmp_path: Path, cache: Path, server: FaultServer, seresnet101: bytes
) -> None:
    """The example of the README: a model by its family name, 200 photographs, a reader that has enough."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash to ask for PIPESTATUS")
    server.files["/se_resnet101.pth"] = Behaviour(seresnet101)
    publish_seresnet101(server, seresnet101, tmp_path / "m.json")
    script = f"""
        senet() {{ '{sys.executable}' -m senet_cli "$@"; }}
        senet download seresnet101 --manifest m.json || exit
        senet predict '{data}/photos' -m seresnet101 --manifest m.json --format jsonl | head -n 5
        echo "${{PIPESTATUS[@]}}" >status
    """
    done = subprocess.run(
        ["bash", "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
    assert (tmp_path / "status").read_text() == "141 0\n"
    first, *lines = done.stdout.splitlines()
    assert first == f"seresnet101.cadene\t{cache / installed(seresnet101)}"
    records = [json.loads(line) for line in lines]
    photos = sorted((data / "photos").glob("*.*"), key=os.fsencode)
    assert [record["path"] for record in records] == [str(path) for path in photos[:5]]
    for record in records:
        assert record["model"] == "seresnet101.cadene"
        assert [best["rank"] for best in record["predictions"]] == [1, 2, 3, 4, 5]
    assert len(server.requests) == 1
    kept = {name for name in contents(cache) if not name.startswith("converted/")}
    assert kept == {installed(seresnet101), "index/seresnet101.cadene.json"}


def test_a_flipped_byte_in_a_whole_model_installs_nothing(
    senet: Senet, tmp_path: Path, cache: Path, server: FaultServer, seresnet101: bytes
) -> None:
    server.files["/se_resnet101.pth"] = Behaviour(flipped(seresnet101, len(seresnet101) // 2))
    publish_seresnet101(server, seresnet101, tmp_path / "m.json")
    done = senet("download", "seresnet101", "--manifest", tmp_path / "m.json")
    assert done.returncode == 6
    assert done.stdout == ""
    assert contents(cache) == set()
    gone = senet("predict", SHIP, "-m", "seresnet101", "--manifest", tmp_path / "m.json", "--offline")
    assert gone.returncode == 5
