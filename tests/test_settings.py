"""Options over environment over defaults; and values that make no sense."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from senet_cli.cli import options
from senet_cli.errors import DiskError, SenetError, UsageError
from senet_cli.settings import Settings


def test_what_is_given_comes_before_the_environment() -> None:
    environment = {
        "SENET_CACHE": "/c",
        "SENET_MODELS": "/m",
        "SENET_MANIFEST": "/env.json",
        "SENET_OFFLINE": "0",
    }
    settings = Settings.from_environment(environment, manifest=Path("/given.json"), offline=True)
    assert settings == Settings(Path("/c"), Path("/given.json"), offline=True, models=Path("/m"))
    environment["SENET_OFFLINE"] = "1"
    assert Settings.from_environment(environment, offline=False).offline is False


def test_the_environment_comes_before_the_defaults() -> None:
    environment = {"SENET_CACHE": "/c", "SENET_MANIFEST": "/env.json", "SENET_OFFLINE": "1"}
    settings = Settings.from_environment(environment | {"SENET_MODELS": "/m"})
    assert settings == Settings(Path("/c"), Path("/env.json"), offline=True, models=Path("/m"))


def test_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    settings = Settings.from_environment({})
    assert settings.manifest is None
    assert settings.offline is False
    assert settings.cache.name == "senet"
    assert settings.cache.is_relative_to(tmp_path)
    assert settings.models is not None
    assert settings.models.is_relative_to(tmp_path)
    assert not settings.models.is_relative_to(settings.cache), "a cache may be emptied"
    assert list(tmp_path.iterdir()) == [], "nothing is created before something is installed"


@pytest.mark.parametrize("name", ["SENET_CACHE", "SENET_MODELS", "SENET_MANIFEST", "SENET_OFFLINE"])
def test_an_empty_variable_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.from_environment({name: ""}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("value", "offline"),
    [
        *((value, True) for value in ("1", "true", "TRUE", "yes", "on", " 1 ")),
        *((value, False) for value in ("0", "false", "False", "no", "off", "", " ")),
    ],
)
def test_words_for_true_and_false(value: str, offline: bool) -> None:
    settings = Settings.from_environment({"SENET_CACHE": "/c", "SENET_OFFLINE": value})
    assert settings.offline is offline


@pytest.mark.parametrize("value", ["2", "maybe", "y e s", "-"])
def test_another_word_for_true_is_wrong_usage(value: str) -> None:
    with pytest.raises(UsageError, match=r"SENET_OFFLINE.*" + value) as caught:
        Settings.from_environment({"SENET_CACHE": "/c", "SENET_OFFLINE": value})
    assert caught.value.hint


def test_a_tilde_in_the_cache_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings.from_environment({"SENET_CACHE": "~/models"})
    assert settings.cache == tmp_path / "models"


def test_the_home_of_nobody_is_an_error_with_a_way_out() -> None:
    with pytest.raises(SenetError) as caught:
        Settings.from_environment({"SENET_CACHE": "~nobody-of-this-name/models"})
    assert isinstance(caught.value, DiskError | UsageError)
    assert "SENET_CACHE" in str(caught.value)


def test_a_cache_named_outright_needs_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    without_home(monkeypatch)
    assert Settings.from_environment({"SENET_CACHE": "/c"}).cache == Path("/c")


def test_without_a_home_the_cache_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without_home(monkeypatch)
    with pytest.raises(DiskError) as caught:
        Settings.from_environment({})
    assert "SENET_CACHE" in caught.value.hint


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user whom the password file does not know, in a container."""

    pwd = pytest.importorskip("pwd")

    def unknown(_: object) -> NoReturn:
        raise KeyError("no such user")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_the_environment_of_the_process_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENET_CACHE", "/first")
    assert Settings.from_environment().cache == Path("/first")
    os.environ["SENET_CACHE"] = "/second"
    assert Settings.from_environment().cache == Path("/second")


@pytest.mark.parametrize(("given", "expected"), [(False, True), (True, True)])
def test_an_option_that_was_not_given_leaves_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch, given: bool, expected: bool
) -> None:
    monkeypatch.setenv("SENET_OFFLINE", "1")
    monkeypatch.setenv("SENET_MANIFEST", "/env.json")
    settings = options.settings(None, offline=given)
    assert settings.offline is expected
    assert settings.manifest == Path("/env.json")


@pytest.mark.parametrize(("text", "count"), [("auto", None), ("1", 1), ("64", 64)])
def test_a_count_or_auto(text: str, count: int | None) -> None:
    assert options.auto_or_count(text) == count


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "all", "1_000", "\u00b2", "9" * 5000])
def test_no_count_and_not_auto(text: str) -> None:
    import typer

    with pytest.raises(typer.BadParameter):
        options.auto_or_count(text)
