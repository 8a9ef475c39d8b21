"""What was compared with other people's networks: noted by tests, gathered from all processes, told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

_PROPERTY = "compared"


@pytest.fixture
def compared(record_property: Callable[[str, object], None]) -> Callable[[str, Iterable[str]], None]:
    """Note that checkpoints were compared with a package; it counts if the test passes."""

    def note(package: str, names: Iterable[str]) -> None:
        record_property(_PROPERTY, [package, *names])

    return note


class Comparisons:
    """Plugin of the process that reports: tells how many entries were compared, and may insist on all.

    Args:
        insist: fail a run in which an entry that a package builds was not compared with it.
    """

    def __init__(self, *, insist: bool) -> None:
        self._insist = insist
        self._gathered: dict[str, set[str]] = {}
        self._missing: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather what the test noted."""
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == _PROPERTY and isinstance(value, list):
                    package, *names = value
                    self._gathered.setdefault(package, set()).update(names)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where an entry was dropped."""
        if self._insist:
            from tests.oracles.plan import missing

            self._missing = missing(self._gathered)
            if self._missing and session.exitstatus in (
                pytest.ExitCode.OK,
                pytest.ExitCode.NO_TESTS_COLLECTED,
            ):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a line for each package."""
        if not self._insist:
            return
        from tests.oracles.plan import summary

        terminalreporter.section("compared with the publishers' networks")
        for line in summary(self._gathered):
            terminalreporter.line(line)
        for package, names in self._missing.items():
            terminalreporter.line(f"not compared with {package}: {', '.join(sorted(names))}", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--all-comparisons`."""
    parser.addoption(
        "--all-comparisons",
        action="store_true",
        help="fail unless every entry that a package builds was compared with it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin where results come together."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(
            Comparisons(insist=config.getoption("--all-comparisons")), "comparisons"
        )
