"""Files that are no manifest: no JSON, no text, too deep, too long, or not to be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import Manifest, load_manifest
from senet_cli.errors import DiskError, ManifestError
from tests.catalogue.manifests import ARCH, CKPT, FILE, MANIFEST, Step, changed, refusal


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "schema: 1",
        "[1, 2",
        '{"schema": 1}}',
        "{'schema': 1}",
        '{"schema": 1,}',
        "\ufeff" + json.dumps(MANIFEST),
        b"\x80\x02}q\x00.",
        "<!DOCTYPE html><html></html>",
    ],
)
def test_what_is_not_json_is_refused(load: Callable[[object], Manifest], content: object) -> None:
    message = refusal(load, content)
    assert "not valid JSON" in message or "not UTF-8" in message


@pytest.mark.parametrize("content", ["[]", "1", "null", '"manifest"', "true"])
def test_json_that_is_no_object_is_refused(load: Callable[[object], Manifest], content: str) -> None:
    message = refusal(load, content)
    assert "expected an object" in message
    assert content in message


def test_text_that_is_not_utf8_is_refused(load: Callable[[object], Manifest]) -> None:
    content = json.dumps(changed(((*CKPT, "publisher"), "Müller")), ensure_ascii=False)
    assert load(content).checkpoint("mynet").publisher == "Müller"
    assert "UTF-8" in refusal(load, content.encode("latin-1"))


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"schema": 1', '"schema": 1, "schema": 1'),
        ('"mynet.mine": {', '"mynet.mine": {}, "mynet.mine": {'),
        ('"bytes": 1000', '"bytes": 1000, "bytes": 2000'),
        ('"crop": 32', '"crop": 32, "cr\\u006fp": 32'),
    ],
)
def test_a_key_given_twice_is_refused(load: Callable[[object], Manifest], once: str, twice: str) -> None:
    text = json.dumps(MANIFEST)
    assert once in text
    message = refusal(load, text.replace(once, twice, 1))
    assert "twice" in message
    assert once.partition('"')[2].partition('"')[0] in message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400, "1" * 5000, "-0.001"])
@pytest.mark.parametrize(
    "place",
    [
        ("schema",),
        (*ARCH, "classes"),
        (*ARCH, "dropout"),
        (*ARCH, "depths", 0),
        (*ARCH, "stem", "kernel"),
        (*CKPT, "preprocess", "mean", 0),
        (*CKPT, "metrics", 0, "top1"),
        (*FILE, "bytes"),
    ],
    ids=lambda place: ".".join(map(str, place)),
)
def test_numbers_that_are_none_are_refused(
    load: Callable[[object], Manifest], place: tuple[Step, ...], number: str
) -> None:
    text = json.dumps(changed((place, "HERE"))).replace('"HERE"', number)
    refusal(load, text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused_whatever_its_depth(load: Callable[[object], Manifest], opening: str) -> None:
    """Some depths can be parsed but no longer be shown in a message."""
    closing = "]" if opening == "[" else "}"
    texts = {place: json.dumps(changed((place, "HERE"))) for place in (("checkpoints",), (*FILE, "urls"))}
    for depth in (*range(700, 1100), 10_000, 100_000):
        nest = opening * depth + "1" + closing * depth
        for text in texts.values():
            with pytest.raises(ManifestError, match=r"own manifest\.json"):
                load(text.replace('"HERE"', nest))


def test_a_wrong_value_of_any_length_makes_a_short_message(load: Callable[[object], Manifest]) -> None:
    for place in (
        ("schema",),
        (*CKPT, "publisher"),
        (*CKPT, "architecture"),
        (*FILE, "sha256"),
        (*FILE, "urls"),
    ):
        refusal(load, changed((place, [["x" * 100_000]])))
    for place in ((*CKPT, "architecture"), (*FILE, "sha256"), ("defaults", "mynet")):
        refusal(load, changed((place, "x" * 100_000)))
    refusal(load, changed(((*CKPT, "x" * 100_000), 1)))


def test_a_manifest_that_cannot_be_read_is_a_disk_error(tmp_path: Path) -> None:
    for path in (tmp_path / "not there.json", tmp_path):
        with pytest.raises(DiskError, match=path.name):
            load_manifest(path)
