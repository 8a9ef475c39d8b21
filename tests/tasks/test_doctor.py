"""What `senet doctor` finds."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from senet_cli.settings import Settings
from senet_cli.store.transfer import Incoming, Request, TransferError
from senet_cli.tasks.doctor import Finding, ask_hosts, examine, without_credentials


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://me:secret@proxy.example:3128/", "http://***@proxy.example:3128/"),
        ("http://me:s%40c@ret@proxy.example", "http://***@proxy.example"),
        ("me:secret@proxy.example:3128", "***@proxy.example:3128"),
        ("proxy.example:3128", "proxy.example:3128"),
        ("socks5h://token@127.0.0.1:1", "socks5h://***@127.0.0.1:1"),
        ("http://me:secret@[::1]:3128", "http://***@[::1]:3128"),
        ("http://bob:pa/ss@proxy:80", "http://***@proxy:80"),
        ("http://bob:pa?s#s//@proxy:80/", "http://***@proxy:80/"),
        ("bob:a//b@proxy:80", "***@proxy:80"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_credentials_of_proxies_are_hidden(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


def found(settings: Settings) -> dict[tuple[str, str], Finding]:
    findings = list(examine(settings))
    assert len({(each.group, each.name) for each in findings}) == len(findings)
    return {(each.group, each.name): each for each in findings}


def test_everything_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("SENET_JOBS", "3")
    cache = tmp_path / "not" / "yet"
    findings = found(Settings(cache, models=tmp_path / "models"))
    assert all(each.fine and each.value for each in findings.values())
    for group, name in (
        ("versions", "senet"),
        ("versions", "torch"),
        ("machine", "engine"),
        ("machine", "processors used"),
        ("machine", "GPU"),
    ):
        assert (group, name) in findings
    assert str(cache) in findings["folders", "cache"].value
    assert findings["folders", "free for the cache"].value.endswith(" MB")
    assert findings["settings", "SENET_JOBS"].value == "3"
    assert findings["network", "proxy for https"].value == "http://***@proxy.example:3128"
    assert "secret" not in "".join(each.value for each in findings.values())
    assert not cache.exists()


def test_settings_that_are_refused_elsewhere_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {
        "SENET_ENGINE": "foo",
        "SENET_PRECISION": "fp8",
        "SENET_DEVICE": "xpu",
        "SENET_MODEL": "nosuch",
        "SENET_THREADS": "0",
        "SENET_BATCH_SIZE": "many",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    findings = found(Settings(tmp_path))
    assert not any(findings["settings", name].fine for name in wrong)
    right = {"SENET_ENGINE": "torch", "SENET_PRECISION": "bf16", "SENET_DEVICE": "cuda:1"}
    right |= {"SENET_MODEL": "SEResNet50", "SENET_THREADS": "auto", "SENET_BATCH_SIZE": "16"}
    for name, value in right.items():
        monkeypatch.setenv(name, value)
    findings = found(Settings(tmp_path))
    assert all(
        findings["settings", name] == Finding("settings", name, value) for name, value in right.items()
    )


def test_it_is_told_whether_the_default_model_is_here(tmp_path: Path) -> None:
    assert "not on this machine yet" in found(Settings(tmp_path))["folders", "default model"].value


@pytest.mark.skipif(os.name != "posix", reason="a folder of POSIX that takes no files")
def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for cache in (file, file / "cache"):
        assert not found(Settings(cache))["folders", "cache can be written"].fine
    below = found(Settings(tmp_path, cache_path=(tmp_path / "gone",)))
    assert not below["folders", "cache that is only read"].fine


class Hosts:
    """A network: one host delivers, one refuses, one never answers, the others are down.

    Attributes:
        asked: the hosts.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over = threading.Event()

    def may_open(self, url: str) -> bool:
        return True

    @contextlib.contextmanager
    def open(self, request: Request) -> Iterator[Incoming]:
        host = urlsplit(request.url).netloc
        self.asked.append(host)
        if host == "github.com":
            yield Incoming(iter([b"x"]))
        elif host == "huggingface.co":
            raise TransferError(f"{request.url}: the server answered 404")
        elif host == "www.dropbox.com":
            self.over.wait(60)
            yield Incoming(iter([]))
        else:
            raise TransferError("down")


def test_each_host_is_asked_once_and_nobody_waits_for_one_that_is_silent(tmp_path: Path) -> None:
    hosts = Hosts()
    try:
        answers = {each.name: each for each in ask_hosts(Settings(tmp_path), hosts, patience=1.0)}
    finally:
        hosts.over.set()
    assert len(answers) > 5
    assert sorted(answers) == sorted(hosts.asked)
    assert [name for name, each in answers.items() if each.fine] == ["github.com"]
    assert answers["github.com"].value.startswith("answers in 0.0 s. For ")
    assert "timm" in answers["github.com"].value
    assert answers["huggingface.co"].value.startswith("does not deliver: the server answered 404. For timm")
    assert answers["www.dropbox.com"].value.startswith("no answer in 1 s. For ")


def test_a_broken_manifest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text("{}")
    (finding,) = ask_hosts(Settings(tmp_path, manifest=path), Hosts())
    assert (finding.name, finding.fine) == ("manifest", False)
    assert "own.json" in finding.value
