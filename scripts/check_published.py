"""For a machine with the internet: fetch, verify, load and run every checkpoint, and pin what was seen.

    python scripts/check_published.py [NAME...] [--every-address] [--write]

Each model (all by default) is fetched through the same code as `senet download`, into the usual cache,
loaded, and run on one image. `--every-address` also fetches from each mirror by itself. `--write` puts the
full SHA-256, the bytes and today's date into weights_manifest.json. Prints one line a model; exits with 1 if
one failed.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import manifest_file

from senet_cli import Classifier
from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import SenetError
from senet_cli.events import SILENCE
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache, Installed
from senet_cli.store.fetch import Fetcher
from senet_cli.store.transfer import open_transport, short

IMAGE = manifest_file.PROJECT / "examples" / "ship.jpg"


def main() -> None:
    options = arguments()
    manifest = load_manifest()
    data = manifest_file.read()
    failed = 0
    for name in options.names or manifest.checkpoints:
        checkpoint = manifest.checkpoint(name)
        try:
            installed, answer = check(checkpoint)
            mirrors = list(each_address(checkpoint)) if options.every_address else []
        except SenetError as error:
            failed += 1
            print(f"{checkpoint.name}\tFAILED\t{error.message}", flush=True)
            continue
        print(
            f"{checkpoint.name}\tok\t{installed.sha256}\t{installed.path.stat().st_size}\t{answer}",
            flush=True,
        )
        for line in mirrors:
            print(f"  {line}", flush=True)
        pin(data, checkpoint, installed)
    if options.write:
        manifest_file.write(data)
    sys.exit(1 if failed else 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--every-address", action="store_true")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def check(checkpoint: Checkpoint) -> tuple[Installed, str]:
    """The verified file and the first answer of the network."""
    cache = Cache.from_settings(Settings.from_environment())
    installed = cache.verify(checkpoint)
    if installed is None:
        installed = Fetcher(cache, open_transport(offline=False), SILENCE).fetch(checkpoint)
    best = Classifier(checkpoint.name, device="cpu", engine="torch", offline=True).predict(IMAGE, top_k=1)[0]
    return installed, f"{best.label} {best.score:.3f}"


def each_address(checkpoint: Checkpoint) -> Iterator[str]:
    """Fetch from each address alone, into a cache that is thrown away."""
    for file in checkpoint.files:
        for url in file.urls:
            alone = replace(checkpoint, files=(replace(file, urls=(url,)),))
            with tempfile.TemporaryDirectory() as folder:
                try:
                    Fetcher(Cache(Path(folder) / "cache"), open_transport(offline=False), SILENCE).fetch(
                        alone
                    )
                    yield f"{short(url)}\tok"
                except SenetError as error:
                    yield f"{short(url)}\tFAILED\t{error.message}"


def pin(data: dict[str, Any], checkpoint: Checkpoint, installed: Installed) -> None:
    """Write what was seen into the manifest's JSON."""
    entry = data["checkpoints"][checkpoint.name]
    file = entry["files"][checkpoint.files.index(installed.file)]
    for known in ("sha256_prefix", "member", "member_sha1"):
        file.pop(known, None)
    file["sha256"] = installed.sha256
    file["bytes"] = installed.path.stat().st_size
    file["seen"] = datetime.datetime.now(datetime.UTC).date().isoformat()


if __name__ == "__main__":
    main()
