"""Whatever a manifest says, files are written below the cache folder, under names made of digests."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.lookup import load_manifest, parse_manifest
from senet_cli.errors import ManifestError, SenetError
from senet_cli.events import Silence
from senet_cli.store.cache import Cache
from senet_cli.store.fetch import Fetcher
from senet_cli.store.transfer import Incoming, Request
from tests.store.worlds import PAYLOAD, SHA256, contents, entry, sha256

BUNDLED = load_manifest()
URL = "https://nowhere.invalid/a.pth"
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Every example writes to the disk, which may be busy."""
NASTY = [
    "../../x",
    "..",
    ".",
    "a/../../b",
    "/etc/passwd",
    "C:\\x",
    "\\\\server\\share",
    "con",
    "con.test",
    "nul",
    "a\0b",
    "a" * 10_000,
    "a.b.c",
    ".hidden",
    "a.",
    "A",
    "a b",
    "a\n",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}\N{FULLWIDTH SOLIDUS}x",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "\N{LATIN SMALL LETTER DOTLESS I}",
    "\udcff",
    "~",
    "$HOME",
    "%2e%2e%2f",
    "",
]


class Delivery:
    """A transport that has the payload at every address."""

    def may_open(self, _url: str) -> bool:
        return True

    @contextlib.contextmanager
    def open(self, request: Request) -> Iterator[Incoming]:
        yield Incoming(iter([PAYLOAD[request.offset :]]), request.offset, len(PAYLOAD))


def parsed(name: str, **changes: object) -> Checkpoint | None:
    """The checkpoint as a user's manifest gives it; None if the manifest is refused."""
    data = {"schema": 1, "checkpoints": {name: entry(URL, **changes)}}
    try:
        manifest = parse_manifest(Fields(json.loads(json.dumps(data)), "test"), BUNDLED)
    except ManifestError:
        return None
    return manifest.checkpoints[name]


def written(checkpoint: Checkpoint) -> set[str]:
    """What a download of it makes, in a folder of its own that has the cache two levels down."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder, "below", "cache"))
        with contextlib.suppress(SenetError):
            Fetcher(cache, Delivery(), Silence()).fetch(checkpoint)
        return contents(Path(folder))


def test_a_good_one_is_written() -> None:
    """Else the others would prove nothing."""
    checkpoint = parsed("tiny.test")
    assert checkpoint
    assert written(checkpoint) == {
        f"below/cache/checkpoints/{SHA256}.pth",
        "below/cache/index/tiny.test.json",
    }


def test_nasty_names_are_refused() -> None:
    assert [name for name in NASTY if parsed(name)] == []


@unhurried
@given(st.text() | st.from_regex(r"[a-z0-9_.\-/\\~:]{1,20}", fullmatch=True))
def test_any_name_that_is_accepted_stays_in_the_cache(name: str) -> None:
    checkpoint = parsed(name)
    if checkpoint is None:
        return
    assert re.fullmatch("[a-z0-9_.-]+", name)
    assert written(checkpoint) == {
        f"below/cache/checkpoints/{SHA256}.pth",
        f"below/cache/index/{name}.json",
    }


@unhurried
@given(st.text(max_size=80) | st.text("0123456789abcdef", min_size=7, max_size=65))
@example("0" * 64)
@example("deadbeef")
@example(f"{SHA256[:30]}/{SHA256[31:]}")
@example(SHA256.upper())
@example(SHA256[:8])
@example("../" + SHA256)
@example("*" * 64)
@example("\N{FULLWIDTH DIGIT ONE}" * 64)
def test_any_digest_that_is_accepted_stays_in_the_cache(digest: str) -> None:
    """A prefix too; the final name is the digest of what arrived, or there is none."""
    for changes in ({"sha256": digest}, {"sha256": None, "sha256_prefix": digest}):
        checkpoint = parsed("tiny.test", **changes)
        if checkpoint is None:
            continue
        assert re.fullmatch("[0-9a-f]{8,64}", digest)
        right = SHA256.startswith(digest)
        final = {f"below/cache/checkpoints/{SHA256}.pth", "below/cache/index/tiny.test.json"}
        assert written(checkpoint) == (final if right else set())


@unhurried
@given(st.text(max_size=50) | st.from_regex(r"(/?(\.\.|%2e%2e|%00|%2f|[a-z]|\\|[?#;])){0,8}", fullmatch=True))
@example("/../../../etc/passwd")
@example("/%2e%2e%2f%2e%2e%2fetc%2fpasswd")
@example("/a%00b")
@example("/" + "a" * 5000)
@example("/")
@example(":99999/a.pth")
@example("]")
def test_any_address_that_is_accepted_stays_in_the_cache(rest: str) -> None:
    checkpoint = parsed("tiny.test", urls=[f"https://nowhere.invalid{rest}"])
    if checkpoint is None:
        return
    assert written(checkpoint) == {
        f"below/cache/checkpoints/{SHA256}.pth",
        "below/cache/index/tiny.test.json",
    }


@unhurried
@given(st.binary(max_size=200))
def test_any_index_is_harmless(index: bytes) -> None:
    """A damaged one, or one that names another file, is as good as none."""
    checkpoint = parsed("tiny.test", sha256=None, sha256_prefix=SHA256[:8])
    assert checkpoint
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "index").mkdir()
        (root / "checkpoints").mkdir()
        (root / "index" / "tiny.test.json").write_bytes(index)
        (root / "checkpoints" / f"{SHA256}.pth").write_bytes(PAYLOAD)
        found = Cache(root).find(checkpoint)
        assert found
        assert found.path == root / "checkpoints" / f"{SHA256}.pth"
        assert found.sha256 == sha256(PAYLOAD)
