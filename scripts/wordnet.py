"""Write senet_cli/data/wordnet/hypernyms.tsv.gz: which WordNet synsets stand above the classes of ImageNet.

    python scripts/wordnet.py /usr/share/wordnet/data.noun

takes WordNet 3.0's nouns (Debian's package `wordnet-base` has them), whose offsets are the ids of ImageNet. A
line holds the id of a synset, its words unless it is a class itself, whose words are in data/labels, and the
ids below it without their `n`.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from senet_cli.catalogue.labels import load_labels
from senet_cli.catalogue.wordnet import FILE

HYPERNYMS = ("@", "@i")
"""Pointers to what a synset is a kind of, or an instance of (wninput(5WN))."""

Synsets = dict[str, tuple[list[str], list[str]]]
"""Words and hypernyms by id."""


def read(path: Path) -> Synsets:
    """Read a data file of WordNet (wndb(5WN))."""
    synsets: Synsets = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.partition(" | ")[0].split()
        count = int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[4 + 2 * count + 1 :]
        above = [f"n{pointers[i + 1]}" for i in range(0, len(pointers), 4) if pointers[i] in HYPERNYMS]
        synsets[f"n{fields[0]}"] = (words, above)
    return synsets


def lines(synsets: Synsets, classes: set[str]) -> list[str]:
    """Give the lines of all synsets that stand above a class."""
    below: dict[str, set[str]] = {}
    todo = list(classes)
    while todo:
        synset = todo.pop()
        for above in synsets[synset][1]:
            if above not in below and above not in classes:
                todo.append(above)
            below.setdefault(above, set()).add(synset)
    return [
        "\t".join(
            (
                synset,
                "" if synset in classes else "|".join(synsets[synset][0]),
                " ".join(each.removeprefix("n") for each in sorted(below[synset])),
            )
        )
        + "\n"
        for synset in sorted(below)
    ]


def main() -> None:
    """Write the file."""
    classes = {one for name in ("imagenet-1k", "imagenet-12k") for one in load_labels(name).ids if one}
    text = "".join(lines(read(Path(sys.argv[1])), classes))
    path = Path(__file__).parent.parent / "senet_cli" / FILE
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
