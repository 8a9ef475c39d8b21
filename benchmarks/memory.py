"""Peak memory of `senet predict` for 20, 200 and 2,000 photographs.

    python benchmarks/memory.py PHOTOS

The photographs are named as often as it takes. Prints Markdown. For Linux (`wait4` tells the peak in KiB).
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from published import MODEL, random_checkpoint

COUNTS = (20, 200, 2000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    options = parser.parse_args()
    photos = sorted(str(path.resolve()) for path in options.photos.iterdir())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random_checkpoint(folder)
        os.environ |= {"SENET_CACHE": str(folder / "cache"), "SENET_MANIFEST": str(folder / "manifest.json")}
        senet = [sys.executable, "-m", "senet_cli"]
        subprocess.run([*senet, "warm", MODEL, "-q"], check=True, stdout=subprocess.DEVNULL)
        print(f"| | {' | '.join(f'{count:,} photographs' for count in COUNTS)} |")
        print(f"|---|{'---:|' * len(COUNTS)}")
        for engine in ("openvino", "torch"):
            cells = [megabytes(peak(senet, engine, photos, count, folder)) for count in COUNTS]
            print(f"| `--engine {engine}` | {' | '.join(cells)} |", flush=True)


def peak(senet: list[str], engine: str, photos: list[str], count: int, folder: Path) -> int:
    """Bytes."""
    names = folder / "names.txt"
    names.write_text("".join(f"{path}\n" for path in itertools.islice(itertools.cycle(photos), count)))
    command = [*senet, "predict", "--from-file", str(names), "-m", MODEL, "--device", "cpu", "-q"]
    with subprocess.Popen([*command, "--engine", engine, "-o", str(folder / "out.jsonl")]) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert len((folder / "out.jsonl").read_text().splitlines()) == count
    return 1024 * usage.ru_maxrss


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
