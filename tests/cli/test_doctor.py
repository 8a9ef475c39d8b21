"""`senet doctor` on a terminal, for programs, and what it does not do."""

from __future__ import annotations

import json
import socket

import pytest

from tests.cli.commands import imported
from tests.conftest import Senet


@pytest.mark.parametrize("width", [50, 80, 120])
def test_findings_stand_in_groups_and_words_stay_whole(senet: Senet, width: int) -> None:
    done = senet("doctor", env={"COLUMNS": str(width), "SENET_CACHE": "/nowhere/at/all"})
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line[0] not in " !"][:3] == ["versions", "machine", "folders"]
    found = json.loads(senet("doctor", "--format", "json", env={"SENET_CACHE": "/nowhere/at/all"}).stdout)
    words = {*done.stdout.split()}
    values = [
        each["value"] for group in found.values() for each in group if each["name"] != "free for the cache"
    ]
    assert {word for value in values for word in value.split()} <= words
    longest = max(len(word) for word in words)
    assert max(map(len, lines)) <= max(width, 30 + longest)


def test_nothing_is_sent_unless_that_is_asked_for(senet: Senet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert senet("doctor").returncode == 0


def test_hosts_that_do_not_answer_are_a_network_error(senet: Senet, monkeypatch: pytest.MonkeyPatch) -> None:
    from senet_cli.tasks import doctor

    answers = [doctor.Finding("hosts", "b", "no answer", fine=False), doctor.Finding("hosts", "a", "answers")]
    monkeypatch.setattr("senet_cli.cli.doctor.ask_hosts", lambda *_: iter(answers))
    done = senet("doctor", "--network")
    assert done.returncode == 5
    assert done.stdout.splitlines()[-1].startswith("! b ")
    assert "note: asking the hosts" in done.stderr
    answers.pop(0)
    assert senet("doctor", "--network").returncode == 0
    assert senet("doctor", "--network", "--offline").returncode == 2


def test_pytorch_is_not_imported_for_it() -> None:
    assert not {"torch", "torchvision", "requests"} & imported("doctor")
