"""What many tests need: the real data, the command line, a cache of its own."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.comparisons import compared, pytest_addoption, pytest_configure
from tests.environment import Done, Environment

__all__ = ["compared", "pytest_addoption", "pytest_configure"]

Senet = Callable[..., Done]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the suite has a process for each processor

# how long an example takes says how busy the machine is
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as background jobs of a shell inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = ("oracles", "inference", "tasks", "test_readme.py", "cli")
"""Begun first, in this order, so that no process is left with a long module at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first; the others, and the tests in a module, stay in their order."""

    def place(item: pytest.Item) -> int:
        first = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONGEST.index(first) if first in LONGEST else len(LONGEST)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Have the collector pass over PyTorch and thousands of tests: it then takes milliseconds each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the user's cache or settings."""
    for name in [name for name in os.environ if name.startswith("SENET_") and name != "SENET_TEST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SENET_MODELS", str(tmp_path / "models"))
    # how long something takes must not decide what tests see
    monkeypatch.setattr("senet_cli.cli.waiting.PATIENCE", 600.0)
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
    """Call `senet` in this process: `senet("predict", "a.jpg", stdin=b"", env={...}, cwd=...)`.

    The result has text stdout and stderr (bytes that are not UTF-8 as surrogates) and the return code.
    """
    return Environment(tmp_path).run


@pytest.fixture
def senet_process(tmp_path: Path) -> Senet:
    """As `senet`, as a process of its own: where that is what is tested."""
    return Environment(tmp_path).run_process


@pytest.fixture(scope="session")
def cifar_cache(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the two real SE-ResNet-32 networks, installed by the command itself."""
    cache = tmp_path_factory.mktemp("cifar") / "cache"
    names = ["seresnet32-cifar10", "seresnet32-cifar10.teacher"]
    done = Environment(cache.parent, {"SENET_CACHE": str(cache)}).run(
        "download", *names, "--from", data / "checkpoints"
    )
    assert done.returncode == 0, done.stderr
    return cache
