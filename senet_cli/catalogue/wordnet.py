"""What stands above classes in WordNet: which classes a word such as `dog` or `vehicle` means.

From WordNet 3.0 (Princeton University), whose synsets are the classes of ImageNet; its licence lies beside
the file, which `scripts/wordnet.py` makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from senet_cli.catalogue.labels import load_labels

FILE = "data/wordnet/hypernyms.tsv.gz"
"""A line holds the id of a synset, its words (of a class of ImageNet-12k: its labels), the ids below."""
_BRACKET = re.compile(r" \([^)]*\)$")
"""What tells a label from another one that is the same word."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Synsets that stand above classes of ImageNet.

    Args:
        below: ids of what is directly below each synset, by its id.
        words: of each synset, by its id; the first is the most usual one.
    """

    below: dict[str, tuple[str, ...]]
    words: dict[str, tuple[str, ...]]

    @classmethod
    def load(cls) -> Hierarchy:
        """Load what comes with the package."""
        import gzip

        packed = (resources.files("senet_cli") / FILE).read_bytes()
        classes = load_labels("imagenet-12k")
        named = {
            synset: tuple(dict.fromkeys((_BRACKET.sub("", label), *synonyms)))
            for synset, label, synonyms in zip(classes.ids, classes.labels, classes.synonyms, strict=True)
        }
        below, words = {}, {}
        for line in gzip.decompress(packed).decode().splitlines():
            synset, own, under = line.split("\t")
            below[synset] = tuple(f"n{each}" for each in under.split())
            words[synset] = tuple(own.split("|")) if own else named.get(synset, ())
        return cls(below, words)

    def all_below(self, synset: str) -> Iterator[str]:
        """Give the ids of everything below a synset, each once."""
        todo = [synset]
        seen = set(todo)
        while todo:
            for each in self.below.get(todo.pop(), ()):
                if each not in seen:
                    seen.add(each)
                    todo.append(each)
                    yield each
