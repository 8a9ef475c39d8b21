"""Every file that a command writes under a name of the user's is told, unless `-q` is given."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

import senet_cli.cli
from senet_cli.settings import BUNDLED_MODEL
from tests.conftest import Senet

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for name in ("airplane", "ship"):
        (tmp_path / "data" / name).mkdir(parents=True)
        shutil.copy(EXAMPLES / f"{name}.jpg", tmp_path / "data" / name)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "files"),
    [
        (f"predict data/ship/ship.jpg -m {BUNDLED_MODEL} -o a.csv", ["a.csv"]),
        (
            f"evaluate data -m {BUNDLED_MODEL} -o sub/../b.json --confusion c.png",
            ["sub/../b.json", "c.png"],
        ),
        (f"export {BUNDLED_MODEL} --layout timm -o d.pth --force", ["d.pth"]),
    ],
)
def test_a_command_says_what_it_wrote(line: str, files: list[str], labelled: Path, senet: Senet) -> None:
    (labelled / "sub").mkdir()
    done = senet(*line.split())
    assert done.returncode == 0, done.stderr
    assert [text for text in done.stderr.splitlines() if text.startswith("wrote ")] == [
        f"wrote {name}" for name in files
    ]
    assert all((labelled / name).is_file() for name in files)
    assert "wrote" not in senet(*line.split(), "-q").stderr


def test_what_is_no_file_is_not_told(labelled: Path, senet: Senet) -> None:
    done = senet("predict", "data/ship/ship.jpg", "-m", BUNDLED_MODEL, "-k", 1, "-o", "/dev/stdout")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_command_opens_a_file_without_saying_so() -> None:
    """Each call of `open_output` with a path says what becomes of it."""
    offenders, found = [], 0
    for path in Path(senet_cli.cli.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "open_output":
                found += 1
                told = {keyword.arg for keyword in node.keywords}
                if ast.unparse(node.args[0]) != "None" and not {"wrote", "tell"} <= told:
                    offenders.append(f"{path.name}:{node.lineno}")
    assert found > 5
    assert not offenders
