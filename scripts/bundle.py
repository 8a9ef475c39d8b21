"""Makes a finished run the checkpoint that comes with the package: `python scripts/bundle.py RUN DATA`.

Copies the weights into the package's data, log and curves beside docs/bundled-model.md, and writes the entry
of weights_manifest.json, with the accuracy on DATA.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import manifest_file

from senet_cli.catalogue.entries import Checkpoint, Licence, Metric
from senet_cli.catalogue.resolve import Catalogue, ModelRef
from senet_cli.catalogue.write import checkpoint_dict
from senet_cli.settings import BUNDLED_MODEL, Settings
from senet_cli.store.files import write_atomically
from senet_cli.store.model_folders import WEIGHTS_FILE

DATA = manifest_file.PROJECT / "senet_cli" / "data" / "models"
TARGET = DATA / BUNDLED_MODEL / WEIGHTS_FILE
PAGE = "docs/bundled-model.md"
MOST_BYTES = 4_000_000
ORIGIN = "LEEYEONSU/pytorch--CutMix@fe4724a save_model/model.pt"
LICENCE = Licence("MIT", "LEEYEONSU's weights, trained further; the text lies beside the file")
RECORDS = manifest_file.PROJECT / "docs" / "bundled-model"


def main(run: Path, data: Path) -> None:
    checkpoint = Catalogue.load(Settings.from_environment()).resolve(ModelRef.to_folder(run)).checkpoint
    weights = (run / "model.safetensors").read_bytes()
    if len(weights) > MOST_BYTES:
        sys.exit(f"{run} has weights of {len(weights):,} bytes; at most {MOST_BYTES:,} come with senet")
    for folder in (DATA, RECORDS):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(TARGET, weights, shared=True)  # others may have the old one mapped
    for name in ("log.csv", "curves.png"):
        if (run / name).exists():
            shutil.copyfile(run / name, RECORDS / name)
    if (run / "recipe.json").exists():
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        recipe.pop("begun_with", None)  # where things lay on the machine that trained
        (RECORDS / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    enter(checkpoint, measured(run, data, checkpoint.preprocess.crop))


def enter(checkpoint: Checkpoint, metric: Metric) -> None:
    """Write the entry of the manifest; digest and size are the run's, whose file was copied."""
    (file,) = checkpoint.files
    entry = checkpoint_dict(
        replace(
            checkpoint,
            publisher="senet",
            files=(replace(file, path=TARGET, seen=date.today().isoformat()),),
            metrics=(metric,),
            licence=LICENCE,
            sources=(PAGE, ORIGIN),
        )
    )
    manifest = manifest_file.read()
    del entry["classes"], entry["aliases"]  # as the architecture has it; none
    manifest["checkpoints"][BUNDLED_MODEL] = entry
    manifest_file.write(manifest)


def measured(run: Path, data: Path, size: int) -> Metric:
    command = [sys.executable, "-m", "senet_cli", "evaluate", str(data)]
    command += ["-m", str(run), "--format", "json", "--quiet"]
    report: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return Metric("cifar-10 as JPEG", report["top1"]["percent"], None, size, PAGE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
