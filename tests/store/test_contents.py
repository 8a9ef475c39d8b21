"""What a cache holds, when it was used last, and removing what was not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from senet_cli.errors import DiskError
from senet_cli.settings import Settings
from senet_cli.store.contents import Held, contents
from senet_cli.tasks.cache_contents import cache_contents, free_bytes, remove_unused

DAY = 86_400
FIRST, SECOND, THIRD = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A model that two names share, one that no name has, a conversion of each, a part, a damaged file."""
    root = tmp_path / "cache"
    for folder in (
        "index",
        "checkpoints",
        "partial",
        "converted/key1",
        "converted/key2",
        "converted/.new-k-1",
    ):
        (root / folder).mkdir(parents=True)
    write(root / "checkpoints" / f"{FIRST}.pth", 1000, days=50)
    write(root / "checkpoints" / f"{SECOND}.safetensors", 2000, days=40)
    write(root / "checkpoints" / f"{THIRD}.bad", 300, days=2)
    for name, days in (("one.a", 30), ("two.b", 3)):
        entry = root / "index" / f"{name}.json"
        entry.write_text(json.dumps({"sha256": FIRST, "size": 1000, "mtime_ns": 1, "inode": 1}))
        age(entry, days)
    for key, digest, days in (("key1", FIRST, 1), ("key2", SECOND, 9)):
        about = root / "converted" / key / "about.json"
        write(about.with_name("network.bin"), 500, days=60)
        about.write_text(json.dumps({"facts": {"weights": digest}, "notes": {}, "files": {}}))
        age(about, days)
    part = root / "partial" / f"{SECOND}.host-1-ab.part"
    write(part, 70, days=8)
    write(part.with_name(part.name + ".json"), 9, days=8)
    write(root / "partial" / f"{SECOND}.lock", 0, days=8)
    return root


def write(path: Path, size: int, days: float) -> None:
    path.write_bytes(b"x" * size)
    age(path, days)


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def told(held: Held) -> tuple[str, tuple[str, ...], int]:
    return held.kind, held.names, round((time.time() - held.used) / DAY)


def test_everything_is_listed_what_was_used_last_first(cache: Path) -> None:
    assert [told(each) for each in contents(cache)] == [
        ("conversion", ("one.a", "two.b"), 1),
        ("damaged", (), 2),
        ("model", ("one.a", "two.b"), 3),
        ("partial", (), 8),
        ("conversion", (), 9),
        ("model", (), 40),
    ]
    about = (cache / "converted" / "key1" / "about.json").stat().st_size
    sizes = [each.size for each in contents(cache)]
    assert sizes == [500 + about, 300, 1000, 70, sizes[4], 2000]


def test_an_empty_or_missing_cache_holds_nothing(tmp_path: Path) -> None:
    assert contents(tmp_path / "nowhere") == []
    assert contents(tmp_path) == []


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (100, 6),
        (20, 5),
        (9.5, 5),
        (8.5, 4),
        (5, 3),
        (2.5, 2),
        (1.5, 1),
        (0.5, 0),
    ],
)
def test_what_was_not_used_goes_with_all_that_belongs_to_it(cache: Path, days: float, left: int) -> None:
    settings = Settings(cache)
    before = {each.path: each for each in contents(cache)}
    freed = remove_unused(settings, days)
    after = {each.path for each in contents(cache)}
    assert len(after) == left
    assert freed == sum(held.size for path, held in before.items() if path not in after)
    assert all(path.exists() is (path in after) for path in before)
    index = [*(cache / "index").iterdir()]
    # the entries say which conversion is whose, also where the file is gone
    assert len(index) == (2 if (cache / "converted" / "key1").exists() else 0)
    assert (cache / "partial" / f"{SECOND}.host-1-ab.part.json").exists() is (days > 8)
    assert (cache / "converted" / ".new-k-1").exists()  # somebody is at work there


def test_what_does_not_parse_is_listed_all_the_same(cache: Path) -> None:
    for text in ("", "[]", "{", '{"sha256": 1}', "null"):
        (cache / "index" / "one.a.json").write_text(text)
        (cache / "converted" / "key1" / "about.json").write_text(text)
        assert len(contents(cache)) == 6


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_links_are_not_followed(cache: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "about.json").write_text("{}")
    (cache / "converted" / "planted").symlink_to(precious)
    (cache / "checkpoints" / f"{'d' * 64}.pth").symlink_to(precious / "about.json")
    assert len(contents(cache)) == 6
    remove_unused(Settings(cache), 0, now=time.time() + DAY)
    assert (precious / "about.json").exists()


def test_what_cannot_be_deleted_is_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(DiskError, match=r"removing `.*` failed: Permission denied"):
        remove_unused(Settings(cache), 1)


def test_names_come_from_the_catalogue_where_the_cache_has_none(cache: Path, tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    own, other = cache_contents(Settings(cache, cache_path=(below,)))
    assert {each.names for each in own.held if each.digest == SECOND} == {(f"(SHA-256 {SECOND[:12]})",)}
    assert (own.own, other.own, other.held, own.size) == (True, False, (), sum(h.size for h in own.held))
    assert own.free
    assert free_bytes(tmp_path / "not" / "there") is not None


def test_using_a_model_renews_it(
    cifar_cache: Path, data: Path, senet: Callable[..., object], tmp_path: Path
) -> None:
    """A conversion is used without its file, which therefore grows old."""
    import shutil

    cache = tmp_path / "cache"
    shutil.copytree(cifar_cache, cache)
    photo = next((data / "photos").iterdir())
    senet("predict", photo, "-m", "seresnet32-cifar10.cutmix", env={"SENET_CACHE": str(cache)})
    for path in cache.rglob("*.pth"):
        age(path, 100)
    senet("verify", env={"SENET_CACHE": str(cache)})  # they changed, and are hashed again
    for path in cache.rglob("*.json"):
        age(path, 100)
    senet("verify", env={"SENET_CACHE": str(cache)})
    senet("list", env={"SENET_CACHE": str(cache)})
    assert {told(each)[2] for each in contents(cache)} == {100}
    senet("predict", photo, "-m", "seresnet32-cifar10.cutmix", env={"SENET_CACHE": str(cache)})
    ages = {each.kind: told(each)[2] for each in contents(cache) if "seresnet32-cifar10.cutmix" in each.names}
    assert ages == {"conversion": 0, "model": 100}
    senet(
        "predict",
        photo,
        "-m",
        "seresnet32-cifar10.cutmix",
        "--engine",
        "torch",
        env={"SENET_CACHE": str(cache)},
    )
    assert {told(h)[2] for h in contents(cache) if "seresnet32-cifar10.cutmix" in h.names} == {0}
