"""`senet download` of a 450 MB file from loopback, beside `curl -o` and `sha256sum` of the same file.

    python benchmarks/download.py [--megabytes 450] [--runs 5]

The two take turns, so that a machine that gets slower does so for both. Prints the times, the median of the
ratios pair by pair, and the peak memory of `senet`. Needs curl and sha256sum.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PREPROCESS = {"resize": 256, "crop": 224, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=450)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), options.megabytes * 10**6, options.runs)


def compare(folder: Path, size: int, runs: int) -> None:
    served = folder / "served"
    served.mkdir()
    sha256 = random_file(served / "weights.pth", size)
    handler = functools.partial(QuietHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/weights.pth"
        manifest = folder / "manifest.json"
        manifest.write_text(json.dumps(manifest_for(url, size, sha256)), encoding="utf-8")
        ratios, memory = [], 0
        for run in range(runs + 1):
            ours, peak = timed_senet(folder, manifest)
            theirs = timed_curl(folder, url)
            if run == 0:
                continue  # a warm-up for the file cache
            ratios.append(ours / theirs)
            memory = max(memory, peak)
            print(
                f"senet {ours:.2f} s, curl and sha256sum {theirs:.2f} s, ratio {ours / theirs:.2f}",
                flush=True,
            )
        server.shutdown()
    print(f"median ratio {statistics.median(ratios):.2f}, peak memory of senet {memory / 1024:.0f} MB")


def random_file(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, 2**20):
            chunk = os.urandom(min(2**20, size - start))
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def manifest_for(url: str, size: int, sha256: str) -> dict[str, object]:
    file = {"urls": [url], "format": "torch", "layout": "timm", "bytes": size, "sha256": sha256}
    entry = {
        "publisher": "benchmark",
        "architecture": "seresnet50",
        "preprocess": PREPROCESS,
        "licence": {"name": "none"},
        "files": [file],
    }
    return {"schema": 1, "checkpoints": {"benchmark.one": entry}}


def timed_senet(folder: Path, manifest: Path) -> tuple[float, int]:
    """Wall seconds and peak memory in KiB of one download into an empty cache."""
    cache = folder / "cache"
    command = [
        sys.executable,
        "-m",
        "senet_cli",
        "download",
        "benchmark.one",
        "--quiet",
        "--manifest",
        str(manifest),
    ]
    start = time.perf_counter()
    child = subprocess.Popen(command, env=os.environ | {"SENET_CACHE": str(cache)}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, child.returncode
    shutil.rmtree(cache)
    return seconds, usage.ru_maxrss


def timed_curl(folder: Path, url: str) -> float:
    target = folder / "curl.pth"
    start = time.perf_counter()
    subprocess.run(["curl", "--silent", "--fail", "-o", str(target), url], check=True)
    subprocess.run(["sha256sum", str(target)], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


if __name__ == "__main__":
    main()
