"""The commands beside `predict`, as processes: what they print, where, and with which code."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from senet_cli.manifest import load_manifest
from senet_cli.settings import BUNDLED_MODEL
from tests.conftest import Senet

COMMANDS = [
    "predict",
    "download",
    "list",
    "info",
    "verify",
    "import",
    "convert",
    "cache",
    "cache dir",
    "cache rm",
]
CUTMIX = "73487855365db1f92c2a0e46b0cc498c7f5e86343f40cc9b1bc3c41b8dfe86d4"


def script() -> str:
    """The console script of this environment, under whose name completion works."""
    found = shutil.which("senet", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("the console script `senet` is not installed beside this Python")
    return found


# --- help and version ---------------------------------------------------------------------------


def test_alone_it_shows_its_help(senet: Senet) -> None:
    alone, short, long = senet(), senet("-h"), senet("--help")
    assert alone.stdout == short.stdout == long.stdout
    assert (alone.returncode, short.returncode, long.returncode) == (0, 0, 0)
    assert (alone.stderr, short.stderr, long.stderr) == ("", "", "")
    for name in ("predict", "download", "list", "info", "verify", "cache", "--version"):
        assert name in alone.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(senet: Senet, command: str) -> None:
    long, short = senet(*command.split(), "--help"), senet(*command.split(), "-h")
    assert long.returncode == short.returncode == 0
    assert long.stdout == short.stdout
    assert long.stderr == ""
    assert long.stdout.startswith("Usage:")
    assert command in long.stdout
    assert "--help" in long.stdout
    assert len(long.stdout.splitlines()) > 5


def test_the_version_is_that_of_the_package(senet: Senet) -> None:
    from importlib.metadata import version

    done = senet("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"senet {version('senet')}\n", "")


def test_the_console_script_is_the_same_command() -> None:
    done = subprocess.run([script(), "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("senet ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lst", "list"), ("predcit", "predict"), ("downlod", "download"), ("verfy", "verify")],
)
def test_a_command_that_is_almost_right_gets_a_suggestion(senet: Senet, typed: str, meant: str) -> None:
    done = senet(typed)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"Did you mean '{meant}'" in done.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_an_unknown_option_is_wrong_usage(senet: Senet, command: str) -> None:
    done = senet(*command.split(), "--nonsense")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--nonsense" in done.stderr


# --- list ---------------------------------------------------------------------------------------


def test_the_list_off_a_terminal_is_tab_separated_with_a_header(senet: Senet) -> None:
    done = senet("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == senet("list", "--format", "tsv").stdout
    rows = list(csv.DictReader(done.stdout.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["name"] for row in rows] == list(load_manifest().checkpoints)
    a2 = next(row for row in rows if row["name"] == "seresnet50.a2")
    assert a2 == {
        "name": "seresnet50.a2",
        "default": "seresnet50",
        "publisher": "timm",
        "architecture": "seresnet50",
        "labels": "imagenet-1k",
        "classes": "1000",
        "top1": "80.102",
        "top5": "94.72",
        "size": "224",
        "dataset": "imagenet-1k",
        "source": "timm results/results-imagenet.csv",
        "test_size": "288",
        "test_top1": "81.094",
        "test_top5": "95.23",
        "parameters": "28088024",
        "multiply_adds": a2["multiply_adds"],
        "bytes": "",
        "digest": "full",
        "licence": "Apache-2.0",
        "cached": "no",
    }
    assert float(a2["multiply_adds"]) == pytest.approx(4.11e9, abs=3e7)  # timm's benchmark tables say 4.11
    assert senet("list", "--format", "csv").stdout.splitlines()[0] == ",".join(a2)


def test_the_list_as_json(senet: Senet) -> None:
    done = senet("list", "--format", "json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0
    assert [fact["name"] for fact in facts] == list(load_manifest().checkpoints)
    for fact in facts:
        assert isinstance(fact["top1"], float) or fact["labels"] == "imagenet-12k"
        assert isinstance(fact["cached"], bool)
        assert fact["digest"] in ("full", "prefix", "member")
    cadene = next(fact for fact in facts if fact["name"] == "seresnet101.cadene")
    assert (cadene["bytes"], cadene["parameters"], cadene["default"]) == (
        *(197_822_624, 49_326_872),
        "seresnet101",
    )


def test_the_list_as_a_table_is_aligned_and_fits_a_terminal(senet: Senet) -> None:
    lines = senet("list", "--format", "table").stdout.splitlines()
    head, *rows = lines
    names = list(load_manifest().checkpoints)
    numbers = [row for row in rows if row not in names]  # a name too long for its column has its own line
    assert len(numbers) == len(names)
    assert head.split() == ["name", "*", "top-1", "top-5", "size", "params", "MACs", "bytes", "here"]
    assert all(len(line) <= 80 for line in lines)
    right = head.index("size") + len("size")
    assert all(row[right - 1].isdigit() and row[right] == " " for row in numbers)
    star = head.index("*")
    assert all(row[star] in "* " for row in numbers)
    starred = {name for name, row in zip(names, numbers, strict=True) if row[star] == "*"}
    assert starred == set(load_manifest().defaults.values())


@pytest.mark.parametrize("style", ["table", "tsv", "json"])
def test_the_list_of_architectures(senet: Senet, style: str) -> None:
    done = senet("list", "--architectures", "--format", style)
    assert (done.returncode, done.stderr) == (0, "")
    for key in load_manifest().architectures:
        assert key in done.stdout
    if style == "json":
        facts = {fact["key"]: fact for fact in json.loads(done.stdout)}
        assert facts["seresnet50"]["params_M"] == facts["seresnet50-caffe"]["params_M"] == 28.09
        assert "stride in the 1x1" in facts["seresnet50-caffe"]["structure"]
        assert "stride in the 3x3" in facts["seresnet50"]["structure"]


def test_the_list_tells_what_is_there(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "cache" / "checkpoints").mkdir(parents=True)
    (tmp_path / "cache" / "checkpoints" / f"{CUTMIX}.pth").write_bytes(b"")
    facts = json.loads(senet("list", "--format", "json").stdout)
    assert [fact["name"] for fact in facts if fact["cached"]] == ["seresnet32-cifar10.cutmix", BUNDLED_MODEL]


# --- info ---------------------------------------------------------------------------------------


def test_info_in_words(senet: Senet) -> None:
    done = senet("info", "se_resnet50")
    assert (done.returncode, done.stderr) == (0, "")
    for fact in (
        "seresnet50.cadene",
        "Cadene",
        "seresnet50-caffe",
        "stride in the 1x1",
        "ceil mode",
        "28088024",
        "imagenet-1k (1000 classes)",
        "shorter edge to 256 (bilinear), centre crop 224",
        "77.636",
        "93.752",
        "ce0d430017d3f4aa6b5658c72209f3bfffb060207fd26a2ef0b203ce592eba01",
        "112611220",
        "https://data.lip6.fr/cadene/pretrainedmodels/se_resnet50-ce0d4300.pth",
        "cadene/se_resnet50",
    ):
        assert fact in done.stdout


def test_info_as_json(senet: Senet) -> None:
    facts = json.loads(senet("info", "seresnet50", "--format", "json").stdout)
    assert facts["name"] == "seresnet50.a2"
    assert facts["default_for"] == "seresnet50"
    assert facts["parameters"] == 28_088_024
    assert (facts["cached"], facts["path"]) == (False, None)
    assert "seresnet50.cadene" in facts["other_recipes"]
    assert "seresnet50.a2" not in facts["other_recipes"]
    assert (facts["preprocess"]["resize"], facts["test_preprocess"]["resize"]) == (235, 288)
    assert [row["recipe"] for row in facts["accuracy"]] == ["test", "default"]
    assert [file["format"] for file in facts["file"]] == ["safetensors", "torch"]
    assert facts["file"][1]["digest"] == "850de0d9... (published prefix)"
    assert [(row["top1"], row["size"]) for row in facts["accuracy"]] == [(81.094, 288), (80.102, 224)]


def test_info_of_an_unknown_model_suggests_one(senet: Senet) -> None:
    done = senet("info", "seresnet5O")
    assert (done.returncode, done.stdout) == (4, "")
    assert "there is no model `seresnet5O`" in done.stderr
    assert "Did you mean `seresnet50`" in done.stderr


# --- manifests of one's own ---------------------------------------------------------------------


def manifest_with(path: Path, **changes: Any) -> Path:
    """A manifest with one checkpoint, `mine`, in which these fields are changed."""
    entry = {
        "publisher": "someone",
        "architecture": "seresnet18-caffe",
        "preprocess": {
            "resize": 256,
            "crop": 224,
            "interpolation": "bilinear",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
        "files": [
            {
                "urls": ["https://example.invalid/x.pth"],
                "sha256": "0" * 64,
                "format": "torch",
                "layout": "cadene",
            }
        ],
        "licence": {"name": "MIT"},
    }
    path.write_text(json.dumps({"schema": 1, "checkpoints": {"mine": entry | changes}}))
    return path


@pytest.mark.parametrize("how", ["option", "environment"])
def test_models_of_ones_own_are_listed(senet: Senet, tmp_path: Path, how: str) -> None:
    path = manifest_with(tmp_path / "own.json")
    option = ("--manifest", path) if how == "option" else ()
    environment = {} if how == "option" else {"SENET_MANIFEST": str(path)}
    assert senet("list", *option, env=environment).stdout.splitlines()[-1].startswith("mine\t")
    assert "someone" in senet("info", "mine", *option, env=environment).stdout
    plan = senet("download", "mine", "--dry-run", *option, env=environment)
    assert plan.stdout == "mine\tdownload\t\thttps://example.invalid/x.pth\n"


def test_a_tab_in_a_manifest_does_not_shift_columns(senet: Senet, tmp_path: Path) -> None:
    path = manifest_with(tmp_path / "own.json", licence={"name": "MIT\tor\nelse"})
    rows = senet("list", "--manifest", path).stdout.splitlines()
    assert len(rows) == len(load_manifest().checkpoints) + 2
    assert {row.count("\t") for row in rows} == {19}


def test_a_manifest_cannot_command_the_terminal(senet: Senet, tmp_path: Path) -> None:
    path = manifest_with(tmp_path / "own.json", publisher="\x1b[2J\x1b]0;x\x07")
    done = senet("info", "mine", "--manifest", path)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


@pytest.mark.parametrize("style", ["text", "json"])
def test_half_a_character_in_a_manifest_is_not_our_bug(senet: Senet, tmp_path: Path, style: str) -> None:
    path = manifest_with(tmp_path / "own.json", publisher="\ud800")
    done = senet("info", "mine", "--manifest", path, "--format", style)
    assert done.returncode in (0, 4), done.stderr


# --- cache and verify ---------------------------------------------------------------------------


def test_cache_dir_prints_the_folder(senet: Senet, tmp_path: Path) -> None:
    done = senet("cache", "dir")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'cache'}\n", "")
    assert not (tmp_path / "cache").exists()
    odd = os.fsdecode(b"/caf\xe9")
    assert senet("cache", "dir", env={"SENET_CACHE": odd}).stdout == f"{odd}\n"


def test_cache_alone_shows_its_help(senet: Senet) -> None:
    done = senet("cache")
    assert "dir" in done.stdout + done.stderr
    assert "rm" in done.stdout + done.stderr


def test_removing_what_is_not_there_is_fine(senet: Senet, tmp_path: Path) -> None:
    for arguments in (("seresnet50",), ("--all",)):
        done = senet("cache", "rm", *arguments)
        assert (done.returncode, done.stdout) == (0, "")
        assert "0.0 MB freed" in done.stderr
        assert senet("cache", "rm", *arguments, "-q").stderr == ""
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("arguments", [(), ("seresnet50", "--all")])
@pytest.mark.parametrize("command", [("cache", "rm"), ("download",)])
def test_names_or_all_but_not_both_or_neither(
    senet: Senet, command: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    done = senet(*command, *arguments)
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_with_an_empty_cache_what_comes_with_senet_is_verified(senet: Senet) -> None:
    done = senet("verify")
    digest = load_manifest().checkpoint(BUNDLED_MODEL).files[0].digest
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{BUNDLED_MODEL}\tok\t{digest}\n", "")


def test_what_is_missing_by_name_is_said(senet: Senet) -> None:
    done = senet("verify", "se_resnet50", "seresnet50")
    assert (done.returncode, done.stdout) == (4, "seresnet50.cadene\tmissing\t\nseresnet50.a2\tmissing\t\n")


def test_real_weights_from_the_file_to_the_end(senet: Senet, data: Path, tmp_path: Path) -> None:
    origin = data / "checkpoints" / "seresnet32_cifar10_cutmix.pt"
    place = tmp_path / "cache" / "checkpoints" / f"{CUTMIX}.pth"
    assert senet("download", "leeyeonsu/cutmix", "--from", origin).stdout == (
        f"seresnet32-cifar10.cutmix\t{place}\n"
    )
    assert senet("verify").stdout.splitlines()[0] == f"seresnet32-cifar10.cutmix\tok\t{CUTMIX}"
    assert "2.1 MB freed" in senet("cache", "rm", "seresnet32-cifar10").stderr
    assert not place.exists()


# --- streams that are closed --------------------------------------------------------------------


def closed_reader(*arguments: str, unbuffered: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command with a pipe as standard output that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, *(["-u"] if unbuffered else []), "-m", "senet_cli", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "list --format json",
        "list --architectures",
        "info seresnet50",
        "cache dir",
        "verify seresnet50",
        "download seresnet50 --dry-run",
        "--help",
        "--version",
        "",
    ],
)
def test_a_reader_that_went_away_is_no_reason_for_words(command: str) -> None:
    done = closed_reader(*command.split())
    assert done.stderr == ""
    assert done.returncode == 141


def test_head_gets_its_line(senet: Senet) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash to ask for PIPESTATUS")
    shell = f"'{sys.executable}' -m senet_cli list | head -n 1; echo \"${{PIPESTATUS[@]}}\""
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    line, status = done.stdout.splitlines()
    assert line.startswith("name\t")
    assert status in ("0 0", "141 0")


@pytest.mark.parametrize("command", ["list", "info seresnet50", "cache dir", "--version", "--help"])
def test_no_standard_output_at_all_is_not_our_bug(command: str) -> None:
    shell = f"exec '{sys.executable}' -m senet_cli {command} >&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    assert done.returncode in (0, 7, 141)


def test_no_standard_error_does_not_mix_words_into_results() -> None:
    shell = f"exec '{sys.executable}' -m senet_cli info nonsense 2>&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 4


@pytest.mark.parametrize("command", ["list", "info seresnet50", "cache dir", "--version", "--help"])
def test_a_full_disk_is_not_our_bug(command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    shell = f"exec '{sys.executable}' -m senet_cli {command} >/dev/full"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_colours_only_where_they_are_wanted(senet: Senet) -> None:
    plain = senet("info", "nonsense", env={"NO_COLOR": ""}).stderr
    forced = senet("info", "nonsense", env={"NO_COLOR": "", "FORCE_COLOR": "1"}).stderr
    refused = senet("info", "nonsense", env={"NO_COLOR": "1", "FORCE_COLOR": "1"}).stderr
    assert "\x1b[" in forced
    assert "\x1b[" not in plain
    assert plain == refused


# --- completion ---------------------------------------------------------------------------------


def completions(line: str, **environment: str) -> list[str]:
    """What bash offers for the last word of `line`."""
    words = line.split(" ")
    asked = {"_SENET_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [script()], env=os.environ | asked | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    "line",
    ["info", "download", "download senet154", "verify", "cache rm", "predict -m", "predict a.jpg --model"],
)
def test_names_of_models_are_completed(line: str) -> None:
    expected = [name for name in load_manifest().checkpoints if name.startswith("seresnet50.")]
    assert len(expected) == 11
    assert completions(f"senet {line} seresnet50.") == expected


def test_families_come_first() -> None:
    assert completions("senet info senet")[0] == "senet154"
    assert completions("senet info vgg") == []
    assert len(completions("senet info ")) == len(load_manifest().names())


def test_commands_options_and_architectures_are_completed() -> None:
    assert completions("senet do") == ["download"]
    assert "--architectures" in completions("senet list --a")
    assert completions("senet predict --arch senet154") == ["senet154", "senet154-caffe"]


def test_models_of_ones_own_are_completed(tmp_path: Path) -> None:
    path = manifest_with(tmp_path / "own.json")
    assert completions("senet info min", SENET_MANIFEST=str(path)) == ["mine"]


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', None])
def test_a_broken_manifest_completes_to_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "own.json").write_text(content)
    assert completions("senet info sere", SENET_MANIFEST=str(tmp_path / "own.json")) == []


# --- what is imported ---------------------------------------------------------------------------


def imported(*arguments: object, **environment: str) -> set[str]:
    """Top-level packages that the command imports, by Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", script(), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"senet_cli", "typer"} <= packages
    return packages


COMPLETING = {"_SENET_COMPLETE": "complete_bash", "COMP_WORDS": "senet info sere", "COMP_CWORD": "2"}


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        *(("--help", {}), ("--version", {}), ("predict --help", {}), ("download --help", {})),
        *(("list", {}), ("info seresnet50", {}), ("cache dir", {}), ("cache rm seresnet50", {})),
        *(("verify", {}), ("download seresnet50 --dry-run", {}), ("", COMPLETING)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_light_command_imports_nothing_heavy(command: str, environment: dict[str, str]) -> None:
    heavy = {"torch", "torchvision", "numpy", "PIL", "requests", "urllib3", "safetensors", "rich"}
    assert imported(*command.split(), **environment) & heavy == set()


def test_a_download_imports_no_torch(data: Path) -> None:
    origin = data / "checkpoints" / "seresnet32_cifar10_cutmix.pt"
    packages = imported("download", "seresnet32-cifar10", "--from", origin)
    assert packages & {"torch", "torchvision", "numpy", "PIL", "requests"} == set()


def test_the_python_api_is_loaded_when_it_is_used() -> None:
    program = "import sys, senet_cli; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "'senet_cli'" in done.stdout
    for heavy in ("torch", "numpy", "PIL", "requests", "typer"):
        assert f"'{heavy}'" not in done.stdout


def test_prediction_imports_torch_but_not_torchvision(tmp_path: Path) -> None:
    import torch
    from PIL import Image

    from senet_cli.models.layouts import LEEYEONSU
    from senet_cli.models.network import build_network

    key = "seresnet32-cifar-leeyeonsu"
    state = build_network(load_manifest().architecture(key).spec).state_dict()
    torch.save({LEEYEONSU.key(name): value for name, value in state.items()}, tmp_path / "own.pth")
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    own = ("--weights", tmp_path / "own.pth", "--arch", key)
    packages = imported("predict", tmp_path / "a.png", *own, "-v")  # without -v native stderr is muted
    assert {"torch", "PIL", "numpy"} <= packages
    assert packages & {"torchvision", "requests", "timm"} == set()
