"""A model in a zip archive: the same bytes each time, read however it was packed."""

from __future__ import annotations

import contextlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import CheckpointError, SenetError
from senet_cli.store import model_zips
from senet_cli.store.model_zips import holds_model, packed, unpacked_model

BESIDE = {"held-back.json": b"{}"}


def archive_with(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.zip"
    path.write_bytes(packed(load_manifest().checkpoint("seresnet50.a2"), None, b"weights", BESIDE))
    return path


def test_it_holds_what_the_model_needs_and_depends_on_nothing_else(own: Path) -> None:
    with unpacked_model(own) as folder:
        held = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert held.keys() == {"model.json", "model.safetensors", "held-back.json"}
    assert held["model.safetensors"] == b"weights"
    again = packed(load_manifest().checkpoint("seresnet50.a2"), None, b"weights", BESIDE)
    assert own.read_bytes() == again
    assert not folder.exists()


def test_a_run_that_was_packed_as_a_folder_is_one_too(own: Path, tmp_path: Path) -> None:
    with unpacked_model(own) as folder:
        (folder / "state.pt").write_bytes(b"not needed")
        shutil.copytree(folder, tmp_path / "runs" / "pets")
    packed_again = Path(shutil.make_archive(str(tmp_path / "again"), "zip", tmp_path, "runs"))
    assert holds_model(packed_again)
    with unpacked_model(packed_again) as folder:
        assert {p.name for p in folder.iterdir()} == {"model.json", "model.safetensors", "held-back.json"}


def test_other_archives_hold_no_model(own: Path, tmp_path: Path) -> None:
    data = own.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.zip").write_bytes(b"text")
    none = {
        "weights alone": archive_with(tmp_path / "1.zip", **{"a.pth": b"x"}),
        "two models": archive_with(tmp_path / "2.zip", **{"a/model.json": b"{}", "b/model.json": b"{}"}),
        "cut": tmp_path / "cut.zip",
        "text": tmp_path / "text.zip",
        "missing": tmp_path / "missing.zip",
    }
    assert [name for name, path in none.items() if holds_model(path)] == []
    for path in none.values():
        with pytest.raises(SenetError), unpacked_model(path):
            pass


def manifest_naming(*files: str) -> bytes:
    return json.dumps({"checkpoints": {"a": {"files": [{"path": file} for file in files]}}}).encode()


OWN = manifest_naming("model.safetensors")


def test_only_what_the_manifest_names_is_unpacked(tmp_path: Path) -> None:
    members = {
        **{"model.json": OWN, "model.safetensors": b"x", "held-back.json": b"{}"},
        **{"other.safetensors": b"x", "../out.safetensors": b"x", "/abs.safetensors": b"x", "run.py": b"x"},
    }
    with unpacked_model(archive_with(tmp_path / "a.zip", **members)) as folder:
        held = {path.name for path in folder.iterdir()}
        assert held == {"model.json", "model.safetensors", "held-back.json"}
        assert [path.name for path in folder.parent.glob("*out.safetensors")] == []


def test_nothing_grows_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_zips, "_MOST_MANIFEST", 3_000_000)
    monkeypatch.setattr(model_zips, "_MOST_RECORD", 3_000_000)
    monkeypatch.setattr(model_zips, "MAX_BYTES", 3_000_000)
    names = {"model.json": OWN, "model.safetensors": b"x", "held-back.json": b"{}"}
    for name, kind in ((name, kind) for name in names for kind in ("squeezed", "large")):
        path, stored = tmp_path / "b.zip", kind == "large"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
            for each, data in names.items():
                size = (3_100_000 if stored else 2_000_000) if each == name else 0
                archive.writestr(each, data + b" " * size)
        with pytest.raises(CheckpointError, match=f"{name} in .* would grow"), unpacked_model(path):
            pass


def test_manifests_that_name_no_weights_and_records_that_are_none(tmp_path: Path) -> None:
    weights = {"model.safetensors": b"x", "b.safetensors": b"x", "a/c.safetensors": b"x", "d.pt": b"x"}
    named = [
        (),
        ("model.safetensors", "b.safetensors"),
        ("a/c.safetensors",),
        ("d.pt",),
        ("gone.safetensors",),
    ]
    others = [manifest_naming(*files) for files in named]
    nonsense = [b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"checkpoints": {"a": {"files": [{"path": 1}]}}}']
    taken = []
    for manifest in (*others, *nonsense):
        path = archive_with(tmp_path / "a.zip", **{"model.json": manifest, **weights})
        with contextlib.suppress(CheckpointError), unpacked_model(path):
            taken.append(manifest)
    for record in (b"", b"[]", b"{", b"[" * 100_000):
        members = {"model.json": OWN, **weights, "held-back.json": record}
        with contextlib.suppress(CheckpointError), unpacked_model(archive_with(path, **members)):
            taken.append(record)
    assert taken == []


def test_damage_is_told(own: Path, tmp_path: Path) -> None:
    data = bytearray(own.read_bytes())
    data[data.index(b"weights")] ^= 1
    (tmp_path / "damaged.zip").write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="cannot be unpacked"), unpacked_model(tmp_path / "damaged.zip"):
        pass


def test_damage_in_any_compression_is_told(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("model.json", OWN)
            archive.writestr("model.safetensors", bytes(range(256)) * 40)
            start = archive.getinfo("model.safetensors").header_offset + 30 + len("model.safetensors")
        data = bytearray(path.read_bytes())
        data[start + 12 : start + 24] = bytes(255 - byte for byte in data[start + 12 : start + 24])
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="cannot be unpacked"), unpacked_model(path):
            pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_no_model(tmp_path: Path) -> None:
    for twice in ("model.json", "model.safetensors", "held-back.json"):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            members = {"model.json": OWN, "model.safetensors": b"x", "held-back.json": b"{}"}
            for name, data in (*members.items(), (twice, members[twice])):
                archive.writestr(name, data)
        assert holds_model(path)
        with pytest.raises(CheckpointError, match=f"two files `{twice}`"), unpacked_model(path):
            pass
