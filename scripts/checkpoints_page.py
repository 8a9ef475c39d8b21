"""Makes docs/checkpoints.md from the manifest, and the README's counts; prints what is there and what is not.

`--check` only compares, for CI.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from manifest_file import PROJECT

from senet_cli.catalogue.entries import Checkpoint, Digest, MemberDigest
from senet_cli.catalogue.lookup import Manifest, load_manifest
from senet_cli.catalogue.traits import preprocess_in_words, sizes_in_words, structure_in_words
from senet_cli.tasks.list_models import checkpoint_summary

PAGE = PROJECT / "docs" / "checkpoints.md"
README = PROJECT / "README.md"
_WORDS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
NOT_INCLUDED = Path(__file__).parent / "not_included.json"
HEAD = """# Checkpoints

Made by `scripts/checkpoints_page.py` from `weights_manifest.json`; do not edit.

Accuracies are the publishers', in percent at the size the preprocessing crops to. "Seen by us" tells when we
had a file's bytes, verified them and ran them; "never" means that everything about the file is from public
sources, and only the code that reads it has been tested, with random weights in its layout.
`scripts/check_published.py` fetches, verifies and runs all of them on a machine with the internet.

| model | parameters | top-1 | top-5 | size | bytes | digest | seen by us |
|---|---:|---:|---:|---:|---:|---|---|
"""


TAIL = """
## What is not here

Eligible is every public SE checkpoint in PyTorch's or Caffe's format that its publisher has not replaced, is
plainly convolutional and has a published digest of any kind. These are not here:

"""


def page(manifest: Manifest) -> str:
    rows = "".join(row(checkpoint, manifest) for checkpoint in manifest.checkpoints.values())
    sections = "".join(section(c, manifest) for c in manifest.checkpoints.values())
    excluded = (f"- {reason}: {', '.join(names)}\n" for reason, names in not_included().items())
    return HEAD + rows + sections + TAIL + "".join(excluded)


def not_included() -> dict[str, list[str]]:
    """Reason -> names of the public checkpoints that are not in the manifest for it."""
    reasons: dict[str, list[str]] = json.loads(NOT_INCLUDED.read_text(encoding="utf-8"))
    return {reason: names for reason, names in reasons.items() if reason != "_"}


def counts(manifest: Manifest) -> tuple[int, int]:
    """How many public checkpoints there are, and of how many publishers."""
    public = [c for c in manifest.checkpoints.values() if not any(file.path for file in c.files)]
    return len(public), len({checkpoint.publisher for checkpoint in public})


def counted(readme: str, manifest: Manifest) -> str:
    """The README with today's counts."""
    checkpoints, publishers = counts(manifest)
    said = _WORDS[publishers] if publishers < len(_WORDS) else str(publishers)
    readme, found = re.subn(r"\d+(?=\s(?:published|public)\scheckpoints\b)", str(checkpoints), readme)
    readme, named = re.subn(r"(?<=\bof\s)\w+(?=\spublishers\b)", said, readme)
    if not found or not named:
        sys.exit(f"{README.name} no longer says how many checkpoints there are, or of how many publishers")
    return readme


def account(manifest: Manifest) -> str:
    """How many there are, from how many publishers, and why others are not."""
    checkpoints, publishers = counts(manifest)
    lines = [f"eligible and included: {checkpoints}, from {publishers} publishers"]
    lines += [f"excluded {len(names):3}: {reason}" for reason, names in not_included().items()]
    return "\n".join(lines)


def row(checkpoint: Checkpoint, manifest: Manifest) -> str:
    summary = checkpoint_summary(checkpoint, manifest, cached=False)
    file = checkpoint.files[0]
    cells = (
        f"[{checkpoint.name}](#{checkpoint.name.replace('.', '')})",
        f"{checkpoint.architecture.spec.parameters():,}",
        summary.top1,
        summary.top5,
        summary.size,
        f"{file.size:,}" if file.size else None,
        _digest(file.digest),
        file.seen or "never",
    )
    return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |\n"


def _digest(digest: Digest | MemberDigest) -> str:
    if isinstance(digest, MemberDigest):
        return "SHA-1 of the member"
    return "SHA-256" if digest.full else f"first {len(digest.value)} digits"


def section(checkpoint: Checkpoint, manifest: Manifest) -> str:
    spec = checkpoint.architecture.spec
    family, test = manifest.family_of(checkpoint.name), checkpoint.test_preprocess
    lines = [
        f"\n## {checkpoint.name}\n",
        f"- {checkpoint.publisher}" + (f"; the default for `{family}`" if family else ""),
        f"- architecture `{checkpoint.architecture.key}`: {structure_in_words(spec)}",
        f"- preprocessing: {preprocess_in_words(checkpoint.preprocess)}",
        *([f"- test recipe: {sizes_in_words(test)}"] if test else []),
        f"- licence of the weights: {checkpoint.licence.name}"
        + (f" ({checkpoint.licence.note})" if checkpoint.licence.note else ""),
    ]
    if checkpoint.aliases:
        lines.append("- also called " + ", ".join(f"`{alias}`" for alias in checkpoint.aliases))
    for file in checkpoint.files:
        kind = "" if isinstance(file.digest, MemberDigest) else "SHA-256 "
        lines.append(f"- {file.format}, layout {file.layout}, {kind}`{file.digest}`")
        lines += [f"  - <{url}>" for url in file.urls]
        if file.path:
            lines.append("  - comes with senet; see [bundled-model.md](bundled-model.md)")
    lines += [f"- top-1 {m.top1:g} at {m.size}: {m.source}" for m in checkpoint.metrics]
    return "\n".join(lines) + "\n"


def main() -> None:
    manifest = load_manifest()
    sys.stdout.write(account(manifest) + "\n")
    made = {PAGE: page(manifest), README: counted(README.read_text(encoding="utf-8"), manifest)}
    for path, text in made.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.name} is stale: run scripts/checkpoints_page.py")


if __name__ == "__main__":
    main()
