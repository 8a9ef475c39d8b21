"""What many tests need: the real data, the command as a process, a cache of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

Senet = Callable[..., "subprocess.CompletedProcess[str]"]

# how long an example takes says how busy the machine is
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as background jobs of a shell inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the user's cache or settings."""
    for name in [name for name in os.environ if name.startswith("SENET_") and name != "SENET_TEST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SENET_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def data() -> Path:
    """Real photographs, odd images and real weights."""
    folder = os.environ.get("SENET_TEST_DATA")
    if not folder:
        pytest.skip("SENET_TEST_DATA is not set: no real photographs and weights to test with")
    return Path(folder)


@pytest.fixture
def senet(tmp_path: Path) -> Senet:
    """Run `senet` as a process of its own: `senet("predict", "a.jpg", stdin=b"", env={...}, cwd=...)`.

    The result has text stdout and stderr (bytes that are no UTF-8 as surrogates) and the return code.
    """

    def run(
        *arguments: object,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "senet_cli", *map(str, arguments)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=os.environ | (env or {}),
            cwd=cwd or tmp_path,
            timeout=timeout,
            check=False,
        )
        out, err = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def cifar_cache(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the two real SE-ResNet-32 networks, installed by the command itself."""
    cache = tmp_path_factory.mktemp("cifar") / "cache"
    names = ["seresnet32-cifar10", "seresnet32-cifar10.teacher"]
    origin = data / "checkpoints"
    subprocess.run(
        [sys.executable, "-m", "senet_cli", "download", *names, "--from", str(origin)],
        env=os.environ | {"SENET_CACHE": str(cache)},
        check=True,
        capture_output=True,
    )
    return cache
