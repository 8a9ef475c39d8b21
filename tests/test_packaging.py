"""The manifest and the data files are found however the project was installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import hatchling
import pytest

from senet_cli.catalogue.lookup import load_manifest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent
DEPENDENCIES = str(Path(hatchling.__file__).parents[1])
PROBE = """
import sys
sys.path.append(sys.argv[1])
import senet_cli
from senet_cli.catalogue.labels import load_labels
from senet_cli.catalogue.lookup import bundled_manifest, load_manifest
from senet_cli.settings import BUNDLED_MODEL
assert len(load_manifest().checkpoints) == int(sys.argv[2]), "checkpoints"
assert len(load_labels("imagenet-1k")) == 1000, "labels"
bundled = load_manifest().checkpoint(BUNDLED_MODEL).files[0].path
assert bundled.is_file(), "bundled model"
assert "LEEYEONSU" in (bundled.parent / "LICENSE").read_text(), "its licence"
print(senet_cli.__file__, bundled_manifest(), sep="\\n")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in the project."""
    copy = tmp_path_factory.mktemp("build") / "senet"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "dist", "tests")
    return Path(shutil.copytree(PROJECT, copy, ignore=unwanted))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A fresh virtual environment; the dependencies are lent to it where they are needed."""
    venv.create(tmp_path / "venv", symlinks=os.name != "nt")
    return tmp_path / "venv"


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip_install(environment: Path, *what: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python_of(environment)), "install"]
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    lent = os.environ | {"PYTHONPATH": DEPENDENCIES}
    subprocess.run([*command, *options, *map(str, what)], check=True, capture_output=True, env=lent)


def probe(environment: Path) -> tuple[Path, Path]:
    """Where the installed package and the manifest are."""
    done = subprocess.run(
        [python_of(environment), "-c", PROBE, DEPENDENCIES, str(len(load_manifest().checkpoints))],
        cwd=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    package, manifest = map(Path, done.stdout.split())
    return package, manifest


def build(checkout: Path, kind: str, out: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        f"--{kind}",
        "--outdir",
        str(out),
        str(checkout),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.iterdir()
    return built


def test_wheel(checkout: Path, tmp_path: Path, environment: Path) -> None:
    pip_install(environment, build(checkout, "wheel", tmp_path / "dist"))
    package, manifest = probe(environment)
    assert package.is_relative_to(environment)
    assert manifest.is_relative_to(environment)
    assert list(python_of(environment).parent.glob("senet*")), "the command was not installed"


def test_a_wheel_classifies_without_a_checkout(checkout: Path, tmp_path: Path, environment: Path) -> None:
    """As `pipx install` or `uv tool install` leave it: a program in its own environment, called anywhere."""
    pip_install(environment, build(checkout, "wheel", tmp_path / "dist"))
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    done = subprocess.run([python_of(environment), "-c", code], check=True, capture_output=True, text=True)
    (Path(done.stdout.strip()) / "lent.pth").write_text(f"import site; site.addsitedir({DEPENDENCIES!r})\n")
    photo = shutil.copy(PROJECT / "examples" / "ship.jpg", tmp_path / "photo.jpg")
    program = python_of(environment).with_name("senet.exe" if os.name == "nt" else "senet")
    done = subprocess.run(
        [program, "predict", photo, "-k", "1", "--offline"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\t")[2] == "ship"
    where = subprocess.run(
        [python_of(environment), "-c", "import senet_cli; print(senet_cli.__file__)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)


def test_sdist(checkout: Path, tmp_path: Path, environment: Path) -> None:
    sdist = build(checkout, "sdist", tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"weights_manifest.json", "README.md", "LICENSE", "CHANGELOG.md", "senet_cli/__main__.py"} <= names
    pip_install(environment, sdist)
    package, manifest = probe(environment)
    assert package.is_relative_to(environment)
    assert manifest.is_relative_to(environment)


def test_editable(checkout: Path, environment: Path) -> None:
    pip_install(environment, "--editable", checkout)
    package, manifest = probe(environment)
    assert package.is_relative_to(checkout)
    assert manifest == checkout / "weights_manifest.json"
