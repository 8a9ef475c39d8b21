"""Peak memory of `senet predict` for 20, 200 and 2,000 photographs.

    python benchmarks/memory.py PHOTOS

The photographs are named as often as it takes. Prints Markdown. For Linux, where the peak is told in KiB.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from pathlib import Path

from published import MODEL, SENET, warm_model

COUNTS = (20, 200, 2000)
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command from a process that is small itself: a child's peak starts with what its parent holds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    options = parser.parse_args()
    photos = sorted(str(path.resolve()) for path in options.photos.iterdir())
    with warm_model() as weights:
        print(f"| | {' | '.join(f'{count:,} photographs' for count in COUNTS)} |")
        print(f"|---|{'---:|' * len(COUNTS)}")
        for engine in ("openvino", "torch"):
            cells = [megabytes(peak(engine, photos, count, weights.parent)) for count in COUNTS]
            print(f"| `--engine {engine}` | {' | '.join(cells)} |", flush=True)


def peak(engine: str, photos: list[str], count: int, folder: Path) -> int:
    """Bytes."""
    names = folder / "names.txt"
    names.write_text("".join(f"{path}\n" for path in itertools.islice(itertools.cycle(photos), count)))
    command = [*SENET, "predict", "--from-file", str(names), "-m", MODEL, "--device", "cpu", "-q"]
    command += ["--engine", engine, "-o", str(folder / "out.jsonl")]
    measure = [sys.executable, "-c", MEASURE, *command]
    told = subprocess.run(measure, check=True, capture_output=True, text=True).stdout
    assert len((folder / "out.jsonl").read_text().splitlines()) == count
    return 1024 * int(told)


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
