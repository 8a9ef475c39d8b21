"""Names in a manifest: safe as file names, and each for one thing only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.lookup import Manifest, parse_manifest
from senet_cli.catalogue.parse import parse_name
from senet_cli.errors import ManifestError
from tests.catalogue.manifests import CHECKPOINT, CKPT, GONE, changed, refusal

# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "C:x",
        "A",
        "é",
        "a b",
        "a\n",
        "a\0",
        "a.b.c",
        ".a",
        "a.",
        "con",
        "nul.pth",
        "aux",
        "prn",
        "com1",
        "lpt9",
        "com0.x",
        "a" * 65,
        "\uff41",  # a full-width letter
        "\u017f",  # its capital is an ASCII letter
        "a\u202eb",
    ],
)
def test_names_that_are_refused(load: Callable[[object], Manifest], name: str) -> None:
    content = changed((("checkpoints", name), CHECKPOINT), (CKPT, GONE), (("defaults",), GONE))
    assert "is not a name" in refusal(load, content)


@pytest.mark.parametrize(
    "name", ["a", "seresnet50.a2", "x-1_y", "a" * 64 + "." + "b" * 64, "console", "com10"]
)
def test_names_that_are_allowed(load: Callable[[object], Manifest], name: str) -> None:
    content = changed((("checkpoints", name), CHECKPOINT), (CKPT, GONE), (("defaults",), GONE))
    assert load(content).checkpoint(name).name == name


def test_a_very_long_name_makes_no_long_message(load: Callable[[object], Manifest]) -> None:
    refusal(load, changed((("checkpoints", "x" * 10_000), CHECKPOINT)))


_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
_HOSTILE = st.sampled_from(
    ["..", "/", "\\", ":", "con", "nul", "com1", ".", "\0", "\n", " ", "%2e", "~", "-"]
)
_LIKELY = st.text("abcxyz0189_-.ACO", max_size=10)


@given(st.one_of(st.text(), _LIKELY, st.lists(_HOSTILE | _LIKELY, max_size=5).map("".join)))
def test_a_name_that_parses_is_safe_as_a_file_name(text: str) -> None:
    try:
        name = parse_name(text, Fields({}, "here"))
    except ManifestError:
        return
    cache = Path("/cache")
    path = cache / f"{name}.json"
    assert path.parent == cache
    assert path.resolve().parent == cache.resolve()
    assert PureWindowsPath(f"{name}.json").name == f"{name}.json"
    assert name.isascii()
    assert name.isprintable()
    assert ".." not in name
    assert not set(name) & set('/\\:*?"<>| ~%\0')
    assert name == name.lower()
    assert name.split(".")[0].upper() not in _DEVICES
    assert len(name) < 200


@given(_LIKELY)
def test_every_name_of_a_checkpoint_goes_through_the_rule(text: str) -> None:
    try:
        allowed = parse_name(text, Fields({}, "here")) == text
    except ManifestError:
        allowed = False
    content = changed((("checkpoints", text), CHECKPOINT), (CKPT, GONE), (("defaults",), GONE))
    if allowed:
        assert parse_manifest(Fields(content, "here")).checkpoint(text).name == text
    else:
        with pytest.raises(ManifestError, match="is not a name"):
            parse_manifest(Fields(content, "here"))


# --- one name for two things --------------------------------------------------------------------


def test_one_alias_for_two_checkpoints_is_refused(load: Callable[[object], Manifest]) -> None:
    message = refusal(load, changed((("checkpoints", "mynet.second"), CHECKPOINT)))
    assert "`somebody/mynet`" in message
    assert "`mynet.mine`" in message
    assert "`mynet.second`" in message


def test_an_alias_that_is_another_checkpoints_name_is_refused(load: Callable[[object], Manifest]) -> None:
    second = CHECKPOINT | {"aliases": ["mynet.mine"]}
    message = refusal(load, changed((("checkpoints", "mynet.second"), second)))
    assert "`mynet.mine`" in message
    assert "`mynet.second`" in message


def test_an_alias_that_is_another_family_is_refused(load: Callable[[object], Manifest]) -> None:
    second = CHECKPOINT | {"aliases": ["mynet"]}
    message = refusal(load, changed((("checkpoints", "mynet.second"), second)))
    assert "`mynet`" in message
    assert "`mynet.second`" in message


def test_a_family_that_is_another_checkpoint_is_refused(load: Callable[[object], Manifest]) -> None:
    second = CHECKPOINT | {"aliases": []}
    message = refusal(
        load,
        changed((("checkpoints", "mynet.second"), second), (("defaults", "mynet.second"), "mynet.mine")),
    )
    assert "`mynet.second`" in message
    assert "`mynet.mine`" in message
