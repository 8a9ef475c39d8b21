"""The pages for contributors are true: what they name is there, what they count is so."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "senet_cli"
PAGES = [
    *(
        PROJECT / name
        for name in ("CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/releasing.md")
    ),
    *sorted((PROJECT / "docs" / "decisions").glob("*.md")),
]
ELSEWHERE = re.compile(
    r"\b(NAME|FOLDER|FILE|VERSION|RUN)\b|^photos/|^/|^graphs/|^shared/|^dist/|^timm/|^index/$|//"
)
"""Paths that are no file of the project: placeholders, examples, what there is not."""
PATH = re.compile(r"[\w.*-]*/[\w./*-]*|[\w-]+\.(?:py|md|json|toml|ya?ml)")
SETTINGS: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS: list[str] = [
    name
    for layer in SETTINGS["tool"]["importlinter"]["contracts"][0]["layers"]
    for name in layer.split(" | ")
]
RUNNER = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")


def text_of(page: Path) -> str:
    """A page, but for what it says of other people's files."""
    return page.read_text(encoding="utf-8").partition("## Where facts come from")[0]


def quoted(page: Path) -> list[str]:
    """What stands in backticks outside the blocks."""
    return re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    )


def sessions() -> dict[str, list[str]]:
    """`COMMANDS` of the noxfile, which is not imported."""
    tree = ast.parse((PROJECT / "noxfile.py").read_text(encoding="utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMMANDS"
    ]
    commands: dict[str, list[str]] = ast.literal_eval(value)
    return commands


def test_links_lead_somewhere() -> None:
    offenders = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", text_of(page)):
            if "://" not in target and not (page.parent / target).exists():
                offenders.append((page.name, target))
    assert not offenders


def test_paths_are_there() -> None:
    homes = (PROJECT, PACKAGE, PROJECT / "docs", PACKAGE / "weights" / "publishers")
    found, offenders = 0, []
    for page in PAGES:
        for name in quoted(page):
            if not PATH.fullmatch(name) or ELSEWHERE.search(name):
                continue
            found += 1
            if not any((home / name).exists() for home in (*homes, page.parent)) and name != "model.json":
                offenders.append((page.name, name))
    assert not offenders
    assert found > 50


def test_modules_functions_and_classes_are_there() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    code += (PROJECT / "tests" / "oracles" / "test_logits.py").read_text(encoding="utf-8")
    known = {*re.findall(r"\w+", code)}
    dotted = re.compile(rf"(?:{'|'.join(map(re.escape, LAYERS))})(?:\.\w+)+")
    offenders = []
    for page in PAGES:
        for name in quoted(page):
            if dotted.fullmatch(name) and not PATH.fullmatch(name):
                module, _, last = f"senet_cli.{name}".rpartition(".")
                if not is_module(f"senet_cli.{name}") and not (is_module(module) and last in known):
                    offenders.append((page.name, name))
            if re.fullmatch(r"[A-Z]+[a-z][A-Za-z]*", name) and name not in known | {"Struct"}:
                offenders.append((page.name, name))
    assert not offenders


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_the_map_has_every_package_and_module_and_the_layers_are_the_contract() -> None:
    page = text_of(PROJECT / "docs" / "architecture.md")
    drawn = {*re.findall(r"^  (\w+)(?:/|\.py) ", page.partition("\ntests/")[0], re.MULTILINE)} - {"data"}
    there = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert drawn == there
    (said,) = re.findall(r"^Layers, highest first: ([^.]+)\.", page, re.MULTILINE)
    assert re.findall(r"`(\w+)`", said) == LAYERS
    assert {*LAYERS} == there - {"__init__"}
    (count,) = re.findall(r"^\| after .*?\| (\d+) \|", page, re.MULTILINE)
    assert int(count) == len(LAYERS)


def test_modules_in_the_map_are_in_their_packages() -> None:
    """Every module is drawn, or has a line that speaks of its folder as a whole."""
    page = text_of(PROJECT / "docs" / "architecture.md")
    drawn = page.partition("senet_cli/\n")[2].partition("\ntests/")[0]
    offenders = []
    for package in ("output", "inference", "store", "catalogue"):
        (entry,) = re.findall(rf"^  {package}/ .*(?:\n {{4,}}.*)*", drawn, re.MULTILINE)
        modules = {path.stem for path in (PACKAGE / package).glob("*.py")} - {"__init__"}
        words = {*re.findall(r"\w+", entry)}
        offenders += [(package, module) for module in modules - words - LEFT_OUT.get(package, set())]
    assert not offenders


LEFT_OUT = {
    "output": {"choose", "text"},
    "inference": {"start"},
    "store": {"files", "retry"},
    "catalogue": {"activation", "lazy_mapping"},
}
"""Small ones that the map does not draw; they are there all the same."""


def test_a_walk_has_at_most_ten_lines() -> None:
    page = text_of(PROJECT / "docs" / "architecture.md")
    walks = re.findall(r"^## One (?:image|name).*?\n\n(.*?)\n\n(?=##)", page, re.MULTILINE | re.DOTALL)
    assert len(walks) == 2
    assert all(3 < len(walk.splitlines()) <= 10 for walk in walks)


# --- commands -----------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, list[str]]]:
    """Page, and the words of each command in it: lines of blocks, and what stands in backticks."""
    for page in PAGES:
        blocks = re.findall(r"^```sh\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        for line in [*lines, *quoted(page)]:
            if re.match(r"(?:pytest|nox|python|\.ci/run)\b", line):
                yield page.name, shlex.split(line)


def problem(words: list[str]) -> str | None:
    """What is wrong with a command of ours, or None."""
    program, *rest = words
    paths = [word for word in rest if re.match(r"(?:tests|scripts|docs)\b", word)]
    if missing := [path for path in paths if not (PROJECT / path).exists()]:
        return f"there is no {missing}"
    if program == "pytest" and "-m" in rest:
        markers = [
            marker.partition(":")[0] for marker in SETTINGS["tool"]["pytest"]["ini_options"]["markers"]
        ]
        if rest[rest.index("-m") + 1] not in markers:
            return "no such marker"
    if "--all-comparisons" in rest and '"--all-comparisons"' not in text_of(
        PROJECT / "tests" / "comparisons.py"
    ):
        return "no such option"
    if program == "nox" and "-s" in rest and rest[rest.index("-s") + 1] not in sessions():
        return "no such session"
    if program == ".ci/run":
        stages = {*re.findall(r"^stage (\d+) ", RUNNER, re.MULTILINE)}
        return f"no such stage: {rest}" if {*rest} - stages else None
    return None


def test_commands_name_what_there_is() -> None:
    asked = list(commands())
    assert {"pytest", "nox", "python", ".ci/run"} == {words[0] for _, words in asked}
    assert not [(page, words, wrong) for page, words in asked if (wrong := problem(words))]


def test_nox_and_the_runner_run_the_same() -> None:
    """What `.ci/run` calls by itself is a session's command; the default tests are the README's."""
    called = {*re.findall(r"^(?:\s+|\w+\(\) \{ )\.venv/bin/(\S.*?)(?:; \})?$", RUNNER, re.MULTILINE)}
    called = {command for command in called if not command.startswith(("pip ", "nox "))}
    of_sessions = {command for name, lines in sessions().items() if name != "tests" for command in lines}
    assert called <= of_sessions
    assert called == of_sessions or ".venv/bin/nox " in RUNNER
    assert sessions()["tests"] == ["pytest"]


def test_hooks_run_what_the_checks_run() -> None:
    hooks = re.findall(
        r"^ +entry: (.+)$", (PROJECT / ".pre-commit-config.yaml").read_text("utf-8"), re.MULTILINE
    )
    checks = [line for name in ("lint", "types", "imports", "pages") for line in sessions()[name]]
    programs = {tuple(word for word in line.split() if word not in {".", "--check"}) for line in checks}
    assert {
        tuple(w for w in hook.split() if w not in {"--force-exclude", "--check"}) for hook in hooks
    } == programs


def test_the_workflow_only_calls_the_runner() -> None:
    workflow = (PROJECT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert re.findall(r"^\s*(?:- )?run: (.+)$", workflow, re.MULTILINE) == [".ci/run"]
    assert "permissions:\n  contents: read\n" in workflow


def test_every_decision_is_listed() -> None:
    folder = PROJECT / "docs" / "decisions"
    listed = re.findall(r"\]\((\S+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
