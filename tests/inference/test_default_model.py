"""Without a name: the usual model where it can be had, else the one that comes with the package."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from senet_cli.settings import BUNDLED_MODEL
from tests.conftest import Senet

PROJECT = Path(__file__).parents[2]
SHIP = PROJECT / "examples" / "ship.jpg"
OFFLINE = {"SENET_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def entry(url: str, sha256: str = "0" * 64) -> dict[str, Any]:
    return {
        "publisher": "test",
        "architecture": "seresnet20-cifar",
        "preprocess": {
            "resize": 32,
            "crop": 32,
            "interpolation": "bilinear",
            "mean": [0.5] * 3,
            "std": [0.5] * 3,
        },
        "licence": {"name": "none"},
        "files": [{"urls": [url], "format": "torch", "layout": "cadene", "sha256": sha256}],
    }


def manifest(folder: Path, url: str) -> dict[str, str]:
    """The default model at another address."""
    content = {
        "schema": 1,
        "checkpoints": {"seresnet50.a2": entry(url)},
        "defaults": {"seresnet50": "seresnet50.a2"},
    }
    (folder / "manifest.json").write_text(json.dumps(content))
    return {"SENET_MANIFEST": str(folder / "manifest.json"), "OMP_NUM_THREADS": "1"}


def records(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_offline_with_an_empty_cache_a_photo_is_classified_all_the_same(senet: Senet) -> None:
    done = senet("predict", SHIP, "--format", "jsonl", env=OFFLINE)
    assert done.returncode == 0, done.stderr
    (record,) = records(done.stdout)
    assert record["model"] == BUNDLED_MODEL
    assert record["predictions"][0]["label"] == "ship"
    assert done.stderr.splitlines() == [
        "seresnet50 is not here and cannot be downloaded (offline).",
        "Using the small bundled model: 10 classes (airplane, automobile, bird ...).",
    ]


def test_why_is_told_when_asked(senet: Senet) -> None:
    done = senet("predict", SHIP, "-v", env=OFFLINE)
    assert f"note: `{BUNDLED_MODEL}` is used, because `seresnet50.a2` cannot be had: " in done.stderr
    assert "senet is offline" in done.stderr
    assert "`senet download seresnet50`" in done.stderr


def test_the_note_cannot_be_silenced_because_it_changes_the_answer(senet: Senet) -> None:
    done = senet("predict", SHIP, "-q", env=OFFLINE)
    assert done.returncode == 0
    assert "Using the small bundled model" in done.stderr


def test_it_is_decided_once_for_all_images(senet: Senet) -> None:
    done = senet("predict", SHIP, SHIP, SHIP, "-k", 1, "--format", "jsonl", env=OFFLINE)
    assert {record["model"] for record in records(done.stdout)} == {BUNDLED_MODEL}
    assert done.stderr.count("Using") == 1


@pytest.mark.parametrize("how", ["-m", "SENET_MODEL", "--no-fallback"])
def test_a_model_that_was_named_never_falls_back(how: str, senet: Senet) -> None:
    arguments = {"-m": ("-m", "seresnet50"), "SENET_MODEL": (), "--no-fallback": ("--no-fallback",)}[how]
    named = {"SENET_MODEL": "seresnet50"} if how == "SENET_MODEL" else {}
    done = senet("predict", SHIP, *arguments, env=OFFLINE | named)
    assert done.returncode == 5
    assert done.stdout == ""


def test_strict_is_about_images_only(senet: Senet) -> None:
    done = senet("predict", SHIP, "--strict", "-k", 1, env=OFFLINE)
    assert (done.returncode, done.stdout.split("\t")[2]) == (0, "ship")


def test_a_host_that_does_not_answer_is_given_a_few_seconds(senet: Senet, tmp_path: Path) -> None:
    """It accepts the connection and says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = manifest(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/model.pth")
        begun = time.monotonic()
        done = senet("predict", SHIP, "-k", 1, env=environment)
        seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\t")[2] == "ship"
    assert "cannot be downloaded (no network)" in done.stderr
    assert (
        seconds < 25
    )  # the patience of a named model is 30 seconds a try; the start takes some on busy machines


def test_an_address_that_is_silent_does_not_hide_one_that_answers(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"something else")  # delivered, and then refused: exit 6
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/model.pth"
        environment = manifest(tmp_path, url)
        content = json.loads((tmp_path / "manifest.json").read_text())
        (file,) = content["checkpoints"]["seresnet50.a2"]["files"]
        file["urls"] = [url, (tmp_path / "model.pth").as_uri()]
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        check = "from senet_cli.store.install import check_answers\n"
        check += (
            "from senet_cli.catalogue.lookup import load_manifest\nfrom senet_cli.settings import Settings\n"
        )
        check += "settings = Settings.from_environment()\n"
        check += "check_answers(load_manifest(settings.manifest).checkpoint('seresnet50'), settings, 4.0)"
        subprocess.run([sys.executable, "-c", check], env=os.environ | environment, check=True, timeout=60)


def test_a_host_that_refuses(senet: Senet, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = senet("predict", SHIP, "-k", 1, env=manifest(tmp_path, f"http://127.0.0.1:{port}/model.pth"))
    assert done.returncode == 0
    assert "cannot be downloaded (no network)" in done.stderr


def test_wrong_bytes_are_no_reason_to_fall_back(senet: Senet, tmp_path: Path) -> None:
    """Someone may be replacing what is downloaded: that must be seen."""
    (tmp_path / "model.pth").write_bytes(b"something else")
    done = senet("predict", SHIP, env=manifest(tmp_path, (tmp_path / "model.pth").as_uri()))
    assert done.returncode == 6
    assert done.stdout == ""


def test_the_default_itself_is_used_where_it_can_be_had(senet: Senet, tmp_path: Path) -> None:
    import hashlib

    import torch

    from senet_cli.catalogue.lookup import load_manifest
    from senet_cli.nets.network import build_network
    from senet_cli.weights.publishers.cadene import CADENE

    torch.manual_seed(0)
    state = build_network(load_manifest().architecture("seresnet20-cifar").spec).state_dict()
    torch.save({CADENE.key(key): value for key, value in state.items()}, tmp_path / "model.pth")
    sha256 = hashlib.sha256((tmp_path / "model.pth").read_bytes()).hexdigest()
    environment = manifest(tmp_path, "file:///nowhere")
    content = json.loads((tmp_path / "manifest.json").read_text())
    content["checkpoints"]["seresnet50.a2"] = entry((tmp_path / "model.pth").as_uri(), sha256)
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    for offline in ("0", "1"):  # fetched, then from the cache
        done = senet("predict", SHIP, "--format", "jsonl", env=environment | {"SENET_OFFLINE": offline})
        assert done.returncode == 0, done.stderr
        assert records(done.stdout)[0]["model"] == "seresnet50.a2"
        assert BUNDLED_MODEL not in done.stderr


def test_the_api_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    from senet_cli import Classifier

    monkeypatch.setenv("SENET_OFFLINE", "1")
    with pytest.warns(UserWarning, match=BUNDLED_MODEL):
        classifier = Classifier()
    assert classifier.name == BUNDLED_MODEL


# --- the model that comes with the package --------------------------------------------------------


def test_it_is_listed_described_verified_and_needs_no_download(senet: Senet) -> None:
    listed = json.loads(senet("list", "--format", "json").stdout)
    (row,) = [row for row in listed if row["name"] == BUNDLED_MODEL]
    assert row["cached"] is True
    assert row["digest"] == "full"
    assert row["bytes"] <= 4_000_000
    assert re.search(r"^licence +MIT$", senet("info", BUNDLED_MODEL).stdout, re.MULTILINE)
    done = senet("verify", BUNDLED_MODEL)
    assert done.stdout.startswith(f"{BUNDLED_MODEL}\tok\t")
    done = senet("download", BUNDLED_MODEL, env=OFFLINE)
    assert done.returncode == 0, done.stderr
    name, path = done.stdout.rstrip("\n").split("\t")
    assert name == BUNDLED_MODEL
    assert Path(path).is_file()
    done = senet("download", BUNDLED_MODEL, "--dry-run", env=OFFLINE)
    assert done.stdout.split("\t")[1] == "present"
    done = senet("download", BUNDLED_MODEL, "--print-urls", env=OFFLINE)
    assert done.returncode == 0


def test_cache_commands_leave_it_alone(senet: Senet) -> None:
    for command in (("cache", "rm", BUNDLED_MODEL), ("cache", "rm", "--all")):
        senet(*command)
    assert senet("predict", SHIP, "-m", BUNDLED_MODEL, env=OFFLINE).returncode == 0
