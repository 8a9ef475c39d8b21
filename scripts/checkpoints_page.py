"""Makes docs/checkpoints.md from the manifest. `--check` only compares, for CI."""

from __future__ import annotations

import sys

from manifest_file import PROJECT

from senet_cli.describe import checkpoint_summary, preprocess_in_words, structure_in_words
from senet_cli.manifest import Checkpoint, Manifest, load_manifest

PAGE = PROJECT / "docs" / "checkpoints.md"
HEAD = """# Checkpoints

Made by `scripts/checkpoints_page.py` from `weights_manifest.json`; do not edit.

Accuracies are the publishers', in percent at the size the preprocessing crops to. "Seen by us" tells when we
had a file's bytes, verified them and ran them; "never" means that everything about the file is from public
sources, and only the code that reads it has been tested, with random weights in its layout.
`scripts/check_published.py` fetches, verifies and runs all of them on a machine with the internet.

| model | parameters | top-1 | top-5 | size | bytes | digest | seen by us |
|---|---:|---:|---:|---:|---:|---|---|
"""


def page(manifest: Manifest) -> str:
    rows = "".join(row(checkpoint, manifest) for checkpoint in manifest.checkpoints.values())
    return HEAD + rows + "".join(section(c, manifest) for c in manifest.checkpoints.values())


def row(checkpoint: Checkpoint, manifest: Manifest) -> str:
    summary = checkpoint_summary(checkpoint, manifest, cached=False)
    file = checkpoint.files[0]
    cells = (
        f"[{checkpoint.name}](#{checkpoint.name.replace('.', '')})",
        f"{checkpoint.architecture.spec.parameters():,}",
        summary["top1"],
        summary["top5"],
        summary["size"],
        f"{file.size:,}" if file.size else None,
        "SHA-256" if file.digest.full else f"first {len(file.digest.value)} digits",
        file.seen or "never",
    )
    return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |\n"


def section(checkpoint: Checkpoint, manifest: Manifest) -> str:
    spec = checkpoint.architecture.spec
    family = manifest.family_of(checkpoint.name)
    lines = [
        f"\n## {checkpoint.name}\n",
        f"- {checkpoint.publisher}" + (f"; the default for `{family}`" if family else ""),
        f"- architecture `{checkpoint.architecture.key}`: {structure_in_words(spec)}",
        f"- preprocessing: {preprocess_in_words(checkpoint.preprocess)}",
        f"- licence of the weights: {checkpoint.licence.name}"
        + (f" ({checkpoint.licence.note})" if checkpoint.licence.note else ""),
    ]
    if checkpoint.aliases:
        lines.append("- also called " + ", ".join(f"`{alias}`" for alias in checkpoint.aliases))
    for file in checkpoint.files:
        lines.append(f"- {file.format}, layout {file.layout}, SHA-256 `{file.digest}`")
        lines += [f"  - <{url}>" for url in file.urls]
        if file.path:
            lines.append("  - comes with senet; see [bundled-model.md](bundled-model.md)")
    lines += [f"- top-1 {m.top1:g} at {m.size}: {m.source}" for m in checkpoint.metrics]
    return "\n".join(lines) + "\n"


def main() -> None:
    text = page(load_manifest())
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is stale: run scripts/checkpoints_page.py")


if __name__ == "__main__":
    main()
