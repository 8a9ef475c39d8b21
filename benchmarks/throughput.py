"""A folder of photographs to JSON lines, beside timm's own inference script; and the engines alone.

    python benchmarks/throughput.py PHOTOS --timm-script INFERENCE.PY [--runs 5]

INFERENCE.PY is `inference.py` of huggingface/pytorch-image-models; it needs timm and pandas. The engines are
measured beside ONNX Runtime (if it and onnxscript are installed), OpenVINO's own `benchmark_app`, timm's
network in PyTorch, and the most that 3x3 convolutions reach on this machine. The model is Cadene's
SE-ResNet-50 with random weights in its published file format. Whole processes take turns. Prints Markdown.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from published import GFLOP, MODEL, senet, warm_model

from senet_cli.graphs.openvino import import_openvino

TIMM_BATCHES = (8, 16, 32, 64)
BATCHES = (1, 4, 8, 32)
SECONDS = 3.0
CONVOLUTIONS = ((64, 56), (128, 28), (256, 14), (512, 7))
"""Channels and side of the 3x3 convolutions of a ResNet-50."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--timm-script", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with warm_model() as weights:
        print(whole_processes(options.photos, options.timm_script, weights, options.runs), flush=True)
        print(engines_alone(weights), flush=True)
        print(with_decoding(options.photos), flush=True)
        print(loaded(options.photos))


# --- whole processes ----------------------------------------------------------------------------


def whole_processes(photos: Path, script: Path, weights: Path, runs: int) -> str:
    results = weights.parent / "results.jsonl"
    predict = ["predict", str(photos), "-m", MODEL, "--device", "cpu", "-v", "-o", str(results)]

    def classify(*options: str) -> Callable[[], None]:
        engine, precision = ("torch" if "torch" in options else "openvino"), options[-1]

        def run() -> None:
            said = senet(*predict, *options).stderr
            assert f"note: {engine} on cpu, {precision}" in said, said

        return run

    def timm_script(batch: int) -> Callable[[], object]:
        command = [sys.executable, str(script), "--data-dir", str(photos), "--model", "legacy_seresnet50"]
        command += [
            "--checkpoint",
            str(weights),
            "--device",
            "cpu",
            "--batch-size",
            str(batch),
            "--topk",
            "5",
        ]
        command += ["--results-dir", str(weights.parent / "timm"), "--no-console-results"]
        return functools.partial(subprocess.run, command, check=True, capture_output=True)

    best = min(TIMM_BATCHES, key=lambda batch: seconds_of(timm_script(batch)))
    ways = {f"timm's script, batch {best} (its best)": timm_script(best)}
    ways["`senet predict`"] = classify("--precision", "fp32")
    if "BF16" in capabilities():
        ways["`senet predict --precision bf16`"] = classify("--precision", "bf16")
    ways["`senet predict --engine torch`"] = classify("--engine", "torch", "--precision", "fp32")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(runs + 1):
        for way, run in ways.items():
            took = seconds_of(run)
            if turn:  # the first one warms up the file cache
                seconds[way].append(took)
    count = len(results.read_text().splitlines())
    lines = [
        f"{count} photographs, whole processes",
        "",
        "| | median, s | least to most | images/s | of timm |",
        "|---|---:|---|---:|---:|",
    ]
    peer = statistics.median(next(iter(seconds.values())))
    for way, times in seconds.items():
        median, spread = statistics.median(times), f"{min(times):.2f} to {max(times):.2f}"
        lines.append(f"| {way} | {median:.2f} | {spread} | {count / median:.1f} | {median / peer:.2f} |")
    return "\n".join(lines) + "\n"


def seconds_of(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def capabilities() -> list[str]:
    found: list[str] = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return found


# --- engines alone ------------------------------------------------------------------------------


def engines_alone(weights: Path) -> str:
    """Images a second at each batch size, and as part of what the convolutions' peak would allow."""
    lines = [
        "The engine alone, images/s",
        "",
        f"| | {' | '.join(f'batch {batch}' for batch in BATCHES)} | of the peak |",
        f"|---|{'---:|' * (len(BATCHES) + 1)}",
    ]
    for precision in ("fp32", "bf16") if "BF16" in capabilities() else ("fp32",):
        peak = convolution_peak(torch.float32 if precision == "fp32" else torch.bfloat16)
        limit = peak / GFLOP
        rows = {name: list(rates) for name, rates in engines(precision, weights)}
        for name, rates in rows.items():
            cells = " | ".join(f"{rate:.1f}" for rate in rates)
            lines.append(f"| {name}, {precision} | {cells} | {max(rates) / limit:.2f} |")
        cells = " | ".join("" for _ in BATCHES)
        lines.append(
            f"| 3x3 convolutions, {precision}: {peak:.0f} GFLOP/s, {limit:.1f} images/s | {cells} | 1 |"
        )
    return "\n".join(lines) + "\n"


def engines(precision: str, weights: Path) -> Iterator[tuple[str, Iterator[float]]]:
    names = {"openvino": "senet, OpenVINO", "torch": "senet, PyTorch"}
    for engine, name in names.items():
        batches = ",".join(map(str, BATCHES))
        told = senet(
            *("benchmark", MODEL, "--engine", engine, "--precision", precision, "--batch", batches),
            *("--device", "cpu", "--format", "json", "-q"),
        ).stdout
        results = json.loads(told)["results"]
        assert [(row["engine"], row["batch"]) for row in results] == [(engine, batch) for batch in BATCHES]
        yield name, (row["images_per_second_median"] for row in results)
    yield "OpenVINO's benchmark_app", (benchmark_app(precision, batch) for batch in BATCHES)
    yield "timm's network, PyTorch", (torch_eager(precision, weights, batch) for batch in BATCHES)
    installed = all(map(importlib.util.find_spec, ("onnxruntime", "onnxscript")))
    if precision == "fp32" and installed:
        yield "ONNX Runtime", (onnx_runtime(weights, batch) for batch in BATCHES)


def benchmark_app(precision: str, batch: int) -> float:
    network = Path(senet("warm", MODEL, "-q").stdout.rstrip("\n").split("\t")[1]) / "network.xml"
    hints = {"fp32": "f32", "bf16": "bf16"}
    program = shutil.which("benchmark_app", path=Path(sys.executable).parent) or "benchmark_app"
    command = [program, "-m", str(network), "-d", "CPU", "-hint", "throughput", "-t", str(round(SECONDS))]
    command += ["-data_shape", f"[{batch},224,224,3]", "-infer_precision", f"CPU:{hints[precision]}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.findall(r"Throughput:\s+([\d.]+) FPS", said)[0])


def torch_eager(precision: str, weights: Path, batch: int) -> float:
    network = timm.create_model("legacy_seresnet50", checkpoint_path=str(weights)).eval()
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    network, images = network.to(dtype), torch.rand(batch, 3, 224, 224).to(dtype)
    with torch.inference_mode():
        return batch * calls_per_second(lambda: network(images))


def onnx_runtime(weights: Path, batch: int) -> float:
    import onnxruntime  # noqa: PLC0415 - may not be installed

    path = weights.with_suffix(".onnx")
    if not path.exists():
        network = timm.create_model("legacy_seresnet50", checkpoint_path=str(weights)).eval()
        shapes = {"x": {0: torch.export.Dim("batch")}}
        torch.onnx.export(
            network, (torch.rand(2, 3, 224, 224),), path, dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    images = np.random.default_rng(0).random((batch, 3, 224, 224), np.float32)
    return batch * calls_per_second(lambda: session.run(None, {name: images}))


def convolution_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of the fastest 3x3 convolution on all processors, batch 8, channels-last."""
    best = 0.0
    for channels, side in CONVOLUTIONS:
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(dtype)
        layer = layer.to(memory_format=torch.channels_last)
        maps = torch.rand(8, channels, side, side).to(dtype).to(memory_format=torch.channels_last)
        work = 2 * 8 * 9 * channels**2 * side**2 / 1e9
        with torch.inference_mode():
            best = max(best, work * calls_per_second(functools.partial(layer, maps)))
    return best


def calls_per_second(call: Callable[[], object]) -> float:
    """Mean over `SECONDS` and at least five calls, after a warm-up."""
    for _ in range(3):
        call()
    begun, calls = time.perf_counter(), 0
    while time.perf_counter() < begun + SECONDS or calls < 5:
        call()
        calls += 1
    return calls / (time.perf_counter() - begun)


def with_decoding(photos: Path) -> str:
    """From image files to predictions, in a process that runs already."""
    precisions = "fp32,bf16" if "BF16" in capabilities() else "fp32"
    options = ["--engine", "openvino", "--device", "cpu", "--batch-size", "auto", "--precision", precisions]
    told = senet("benchmark", MODEL, *options, "--images", str(photos), "--format", "json", "-q").stdout
    lines = [
        "From image files to predictions, images/s in steady state",
        "",
        "| | engine alone | with decoding | ratio |",
        "|---|---:|---:|---:|",
    ]
    for row in json.loads(told)["results"]:
        assert row["unreadable"] == 0
        alone, decoding = (statistics.median(row[f"{kind}images_per_second"]) for kind in ("", "decoding_"))
        name = f"OpenVINO, {row['precision']}, batch {row['batch']}"
        lines.append(f"| {name} | {alone:.1f} | {decoding:.1f} | {decoding / alone:.2f} |")
    return "\n".join(lines) + "\n"


# --- beside other work ----------------------------------------------------------------------------


def loaded(photos: Path) -> str:
    """How much is left while another process keeps one processor busy."""
    lines = [
        "Beside a process that keeps one processor busy, whole processes",
        "",
        "| | alone, s | beside it, s | throughput left |",
        "|---|---:|---:|---:|",
    ]
    for options in (["--engine", "openvino"], ["--engine", "torch"]):
        command = ["predict", str(photos), "-m", MODEL, "--device", "cpu", "--format", "jsonl", *options]
        run = functools.partial(senet, *command)
        alone = statistics.median(seconds_of(run) for _ in range(3))
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
            try:
                beside = statistics.median(seconds_of(run) for _ in range(3))
            finally:
                busy.kill()
        lines.append(f"| `{' '.join(options)}` | {alone:.2f} | {beside:.2f} | {alone / beside:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
