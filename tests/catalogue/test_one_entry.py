"""The bundled manifest is parsed entry by entry, and means what it means when it is parsed whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from senet_cli.catalogue import lookup
from senet_cli.catalogue.entries import EntryName
from senet_cli.catalogue.fields import read_json
from senet_cli.catalogue.lazy_mapping import LazyMapping, overlaid
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.catalogue.write import manifest_of
from senet_cli.errors import ManifestError, UnknownModelError
from senet_cli.settings import BUNDLED_MODEL


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the entries that get parsed, from an empty memory on."""
    names: list[str] = []
    for kind in ("parse_architecture", "parse_checkpoint"):
        parse = getattr(lookup, kind)

        def watched(name: str, *args: object, parse=parse) -> object:  # type: ignore[no-untyped-def]
            names.append(name)
            return parse(name, *args)

        monkeypatch.setattr(lookup, kind, watched)
    lookup._bundled.cache_clear()
    yield names
    lookup._bundled.cache_clear()


def test_nothing_in_it_breaks_a_rule_and_no_name_stands_for_two() -> None:
    path = lookup.bundled_manifest()
    bundled = load_manifest().checkpoint(BUNDLED_MODEL).files[0].path
    assert bundled is not None
    whole = lookup.parse_manifest(read_json(path), folder=bundled.parent)
    manifest = load_manifest()
    assert dict(manifest.checkpoints) == whole.checkpoints
    assert dict(manifest.architectures) == whole.architectures
    assert (manifest.defaults, manifest.aliases) == (whole.defaults, whole.aliases)
    assert manifest.label_sets == whole.label_sets


@pytest.mark.parametrize("name", ["seresnet50", "seresnet50.a2", "timm/seresnet50.a2_in1k", " SEResNet50"])
def test_a_name_costs_one_entry(name: str, parsed: list[str]) -> None:
    assert load_manifest().checkpoint(name).name == "seresnet50.a2"
    assert load_manifest().checkpoint(name).name == "seresnet50.a2"
    load_manifest().checkpoint(BUNDLED_MODEL)
    assert parsed == ["seresnet50.a2", "seresnet50", BUNDLED_MODEL, "seresnet32-cifar-leeyeonsu"]


def test_an_empty_folder_of_imported_models_costs_nothing(parsed: list[str], tmp_path: Path) -> None:
    load_manifest(models=tmp_path).checkpoint("seresnet50")
    assert len(parsed) == 2


def test_a_manifest_of_ones_own_costs_itself(parsed: list[str], tmp_path: Path) -> None:
    checkpoint = load_manifest().checkpoint(BUNDLED_MODEL)
    own = replace(checkpoint, name=EntryName("mine"), aliases=("timm/seresnet50.a2_in1k",))
    (tmp_path / "model.json").write_text(json.dumps(manifest_of(own, None)))
    parsed.clear()
    manifest = load_manifest(tmp_path / "model.json")
    assert manifest.checkpoint("timm/seresnet50.a2_in1k").name == "mine"
    assert parsed == ["seresnet32-cifar-leeyeonsu", "mine"]
    assert "timm/seresnet50.a2_in1k" not in manifest.checkpoint("seresnet50.a2").aliases


def test_a_name_that_nobody_has_is_compared_without_parsing(parsed: list[str]) -> None:
    with pytest.raises(UnknownModelError, match="seresnet51"):
        load_manifest().checkpoint("seresnet51")
    assert parsed == []


def test_a_value_is_made_once_and_not_before() -> None:
    made: list[str] = []

    def make(name: str) -> list[str]:
        made.append(name)
        return [name]

    values = LazyMapping("ab", make)
    assert list(values) == ["a", "b"]
    assert len(values) == 2
    assert "a" in values
    assert "c" not in values
    assert made == []
    assert values["b"] is values["b"]
    assert made == ["b"]
    with pytest.raises(KeyError):
        values["c"]


def test_what_is_wrong_comes_out_each_time_it_is_asked_for() -> None:
    def make(name: str) -> str:
        raise ManifestError(f"{name} is wrong")

    values = LazyMapping(["a"], make)
    for _ in range(2):
        with pytest.raises(ManifestError, match="a is wrong"):
            values["a"]


def test_the_upper_of_two_hides_the_lower() -> None:
    both = overlaid({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert dict(both) == {"a": 1, "b": 3, "c": 4}
    assert list(both) == ["a", "b", "c"]
