"""One photograph, whole processes: `senet predict` beside a short timm script and `import torch`.

    python benchmarks/cold_start.py PHOTO [--runs 5]

The model is Cadene's SE-ResNet-50 with random weights in its published file format, converted before. First
uses begin with an empty cache: of the model that comes along, and of the same network as a safetensors file.
All commands take turns, so that a machine that gets slower does so for all. Prints Markdown. Needs timm.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from published import MODEL, SENET, senet, warm_model

FIRST = "`senet predict PHOTO`, first use:"

TIMM = """
import sys, timm, torch
from PIL import Image
network = timm.create_model("legacy_seresnet50", checkpoint_path=sys.argv[1]).eval()
transform = timm.data.create_transform(**timm.data.resolve_data_config(model=network))
with torch.inference_mode():
    scores = network(transform(Image.open(sys.argv[2]).convert("RGB"))[None]).softmax(1)
print(scores.topk(5))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with warm_model() as weights:
        predict = [*SENET, "predict", str(options.photo), "-m", MODEL, "--device", "cpu", "-v"]
        commands = {
            "`senet predict PHOTO`": predict,
            "`senet predict PHOTO --engine torch`": [*predict, "--engine", "torch"],
            "timm script": [sys.executable, "-c", TIMM, str(weights), str(options.photo)],
            '`python -c "import torch"`': [sys.executable, "-c", "import torch"],
            "`senet --help`": [*SENET, "--help"],
            "`senet list`": [*SENET, "list"],
            **first_uses(options.photo, weights.parent),
        }
        assert "note: openvino on cpu, fp32" in run(predict)
        assert "note: torch on cpu, fp32" in run(commands["`senet predict PHOTO --engine torch`"])
        print(table(measured(commands, options.runs)))


def first_uses(photo: Path, folder: Path) -> dict[str, list[str]]:
    """Predictions that find their model, but no conversion of it."""
    own = folder / "own.safetensors"
    senet("export", MODEL, "--layout", "timm", "-o", str(own))
    predict = [*SENET, "predict", str(photo), "--device", "cpu", "-q"]
    return {
        f"{FIRST} the model that comes along": [*predict, "-m", "seresnet32-cifar10.senet"],
        f"{FIRST} SE-ResNet-50, safetensors": [*predict, "--weights", str(own), "--arch", "seresnet50-caffe"],
    }


def run(command: list[str]) -> str:
    """What it says on standard error."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def seconds_of(name: str, command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | ({"SENET_CACHE": cache} if name.startswith(FIRST) else {})
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return time.perf_counter() - begun


def measured(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Seconds for each command, run by run; the first turn only warms up the file cache."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            taken = seconds_of(name, command)
            if turn:
                seconds[name].append(taken)
    return seconds


def table(seconds: dict[str, list[float]]) -> str:
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    torch_import, timm = medians['`python -c "import torch"`'], medians["timm script"]
    lines = ["| | median, s | least to most | of timm | of `import torch` |", "|---|---:|---|---:|---:|"]
    for name, median in medians.items():
        spread = f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}"
        lines.append(
            f"| {name} | {median:.2f} | {spread} | {median / timm:.2f} | {median / torch_import:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
