"""The checks and tests, by name: `nox` runs the checks, `nox -s slow` one session, `nox --list` shows all.

They run in the environment that nox itself is in (`pip install -e '.[dev]'`), so they cost nothing to set up.
What is run is the same as in `.ci/run`, which puts it into a fresh copy and gives each stage a limit;
`tests/test_docs.py` compares the two.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "imports", "pages"]
nox.options.stop_on_first_error = False

COMMANDS = {
    "lint": ["ruff format --check .", "ruff check ."],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "pages": ["python scripts/checkpoints_page.py --check", "python scripts/manifest_schema.py --check"],
    "tests": ["pytest"],
    "slow": ["pytest -m slow"],
    "comparisons": [
        "pytest -m whole --dist worksteal --all-comparisons tests/oracles tests/inference/engines"
    ],
}
"""Session -> its commands, all of which are run."""
_PROGRAMS = Path(sys.executable).parent


def _run(session: nox.Session) -> None:
    failed = []
    for command in COMMANDS[session.name]:
        program, *arguments = command.split()
        words = [str(_PROGRAMS / program), *arguments, *(session.posargs if program == "pytest" else ())]
        try:
            session.run(*words, external=True)
        except nox.command.CommandFailed:
            failed.append(command)
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def lint(session: nox.Session) -> None:
    """Form and mistakes: ruff."""
    _run(session)


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy, strict."""
    _run(session)


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom: import-linter."""
    _run(session)


@nox.session
def pages(session: nox.Session) -> None:
    """Pages and counts that are made by scripts are up to date."""
    _run(session)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the default tests; what follows `--` goes to pytest."""
    _run(session)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests: packaging, processes that are killed, times."""
    _run(session)


@nox.session
def comparisons(session: nox.Session) -> None:
    """Every network against its publisher's code."""
    _run(session)
