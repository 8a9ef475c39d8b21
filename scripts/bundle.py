"""Makes a finished run the checkpoint that comes with the package: `python scripts/bundle.py RUN`.

Copies the weights into the package's data, log and curves beside docs/bundled-model.md, and writes the entry
of weights_manifest.json.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import manifest_file

from senet_cli.manifest import Licence, find_checkpoint
from senet_cli.manifest.write import checkpoint_dict
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.store.files import write_atomically

DATA = manifest_file.PROJECT / "senet_cli" / "data" / "checkpoints"
MOST_BYTES = 4_000_000
RECORDS = manifest_file.PROJECT / "docs" / "bundled-model"


def main(run: Path) -> None:
    checkpoint, _ = find_checkpoint(str(run))
    (file,) = checkpoint.files
    (metric,) = checkpoint.metrics
    target = DATA / f"{BUNDLED_MODEL}.safetensors"
    for folder in (DATA, RECORDS):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(target, Path(str(file.path)).read_bytes(), shared=True)  # others may have it mapped
    for name in ("log.csv", "curves.png", "recipe.json"):
        if (run / name).exists():
            shutil.copyfile(run / name, RECORDS / name)
    if target.stat().st_size > MOST_BYTES:
        sys.exit(f"{target.name} has {target.stat().st_size:,} bytes; at most {MOST_BYTES:,} come with senet")
    entry = checkpoint_dict(
        replace(
            checkpoint,
            publisher="senet",
            files=(replace(file, path=target, seen=date.today().isoformat()),),
            metrics=(replace(metric, dataset="cifar-10 as JPEG", source="docs/bundled-model.md"),),
            licence=Licence("Apache-2.0"),
            sources=("docs/bundled-model.md",),
        )
    )
    manifest = manifest_file.read()
    del entry["classes"], entry["aliases"]  # as the architecture has it; none
    manifest["checkpoints"][BUNDLED_MODEL] = entry
    manifest["defaults"][BUNDLED_MODEL.partition(".")[0]] = BUNDLED_MODEL
    manifest_file.write(manifest)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
