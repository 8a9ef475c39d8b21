"""`cache` and `verify`: what is there, what is not, and real weights from the file to the end."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.settings import BUNDLED_MODEL
from tests.cli.commands import CUTMIX
from tests.conftest import Senet


def test_cache_dir_prints_the_folder(senet: Senet, tmp_path: Path) -> None:
    done = senet("cache", "dir")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'cache'}\n", "")
    assert not (tmp_path / "cache").exists()
    odd = os.fsdecode(b"/caf\xe9")
    assert senet("cache", "dir", env={"SENET_CACHE": odd}).stdout == f"{odd}\n"


def test_cache_alone_shows_its_help(senet: Senet) -> None:
    done = senet("cache")
    assert "dir" in done.stdout + done.stderr
    assert "rm" in done.stdout + done.stderr


def test_removing_what_is_not_there_is_fine(senet: Senet, tmp_path: Path) -> None:
    for arguments in (("seresnet50",), ("--all",)):
        done = senet("cache", "rm", *arguments)
        assert (done.returncode, done.stdout) == (0, "")
        assert "there was nothing to remove" in done.stderr
        assert senet("cache", "rm", *arguments, "-q").stderr == ""
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("arguments", [(), ("seresnet50", "--all")])
@pytest.mark.parametrize("command", [("cache", "rm"), ("download",)])
def test_names_or_all_but_not_both_or_neither(
    senet: Senet, command: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    done = senet(*command, *arguments)
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_with_an_empty_cache_what_comes_with_senet_is_verified(senet: Senet) -> None:
    done = senet("verify")
    digest = load_manifest().checkpoint(BUNDLED_MODEL).files[0].digest
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{BUNDLED_MODEL}\tok\t{digest}\n", "")


def test_what_is_missing_by_name_is_said(senet: Senet) -> None:
    done = senet("verify", "se_resnet50", "seresnet50")
    assert (done.returncode, done.stdout) == (4, "seresnet50.cadene\tmissing\t\nseresnet50.a2\tmissing\t\n")


def test_real_weights_from_the_file_to_the_end(senet: Senet, data: Path, tmp_path: Path) -> None:
    origin = data / "checkpoints" / "seresnet32_cifar10_cutmix.pt"
    place = tmp_path / "cache" / "checkpoints" / f"{CUTMIX}.pth"
    assert senet("download", "leeyeonsu/cutmix", "--from", origin).stdout == (
        f"seresnet32-cifar10.cutmix\t{place}\n"
    )
    assert senet("verify").stdout.splitlines()[0] == f"seresnet32-cifar10.cutmix\tok\t{CUTMIX}"
    assert "1 model: 2.1 MB" in senet("cache", "dir", "-v").stderr
    listed = senet("cache", "ls").stdout.splitlines()
    assert listed[0] == str(tmp_path / "cache")
    assert re.fullmatch(r"model +2\.1 MB +today +seresnet32-cifar10\.cutmix", listed[2])
    assert listed[3].startswith("2.1 MB in all, ")
    (held,) = json.loads(senet("cache", "ls", "--format", "json").stdout)[0]["holds"]
    assert (held["kind"], held["models"]) == ("model", ["seresnet32-cifar10.cutmix"])
    assert (held["bytes"], held["path"]) == (place.stat().st_size, str(place))
    assert "there was nothing to remove" in senet("cache", "rm", "--unused", 1).stderr
    assert place.exists()
    for path in (place, *(tmp_path / "cache" / "index").iterdir()):
        os.utime(path, (1e9, 1e9))
    assert "2.1 MB freed" in senet("cache", "rm", "--unused", 30).stderr
    assert not place.exists()
    assert senet("download", "leeyeonsu/cutmix", "--from", origin).returncode == 0
    assert "2.1 MB freed" in senet("cache", "rm", "seresnet32-cifar10").stderr
    assert not place.exists()


@pytest.mark.parametrize(
    "arguments",
    [("--unused", "0"), ("--unused", "x"), ("--unused", "3", "--all"), ("--unused", "3", "seresnet50")],
)
def test_unused_days_alone(senet: Senet, arguments: tuple[str, ...]) -> None:
    done = senet("cache", "rm", *arguments)
    assert done.returncode == 2
    assert "--unused" in done.stderr


def test_caches_that_are_only_read_are_listed_too(senet: Senet, cifar_cache: Path, tmp_path: Path) -> None:
    done = senet("cache", "ls", env={"SENET_CACHE_PATH": str(cifar_cache)})
    assert done.returncode == 0
    own, below = done.stdout.split("\n\n")
    assert own.startswith(f"{tmp_path / 'cache'}\n0.0 MB in all")
    assert below.startswith(f"{cifar_cache} (only read)\n")
    assert "seresnet32-cifar10.teacher" in below
