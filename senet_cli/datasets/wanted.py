"""Classes that are asked for by words: by what they are called, or by what stands above them in WordNet."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.wordnet import Hierarchy
from senet_cli.datasets.classes import WORDNET
from senet_cli.datasets.names import normal, plain
from senet_cli.errors import UsageError

_SUGGESTED = 3
_SHOWN_CLASSES = 10


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word stands for.

    Args:
        word: as it was given.
        indices: positions of the classes in the model's output, ascending.
        by_name: True if the classes are called so themselves.
    """

    word: str
    indices: tuple[int, ...]
    by_name: bool


def find_wanted(texts: Sequence[str], labels: LabelSet) -> list[Meaning]:
    """Find what words mean to a model.

    A word is an identifier, a label or a synonym of classes; with WordNet ids, also a word or an id that
    stands above classes, such as `dog`; else a whole word in labels. Upper case, blanks, `_` and `-` do not
    matter.

    Args:
        texts: words, also several in one, separated by commas, unless the whole is what a class is called.
        labels: of the model.

    Raises:
        UsageError: a word means nothing; the hint names what it may have been meant to be.
    """
    words = _Words(labels)
    found = []
    for text in texts:
        parts = [text] if words.named(text) else [part.strip() for part in text.split(",")]
        found += [words.meaning(part) for part in parts if part]
    if not found:
        raise UsageError("no class is named", "Name one or more, separated by commas.")
    return found


class _Words:
    """The classes of a model by everything that may mean them.

    Args:
        labels: of the model.
    """

    def __init__(self, labels: LabelSet) -> None:
        self._labels = labels
        self._ids = {normal(known).casefold(): index for index, known in enumerate(labels.ids) if known}
        self._names: dict[str, set[int]] = {}
        for index, label in enumerate(labels.labels):
            for name in (label, *(labels.synonyms[index] if labels.synonyms else ())):
                self._names.setdefault(plain(name), set()).add(index)

    def named(self, word: str) -> set[int]:
        """Find the classes that are called so; exactly so, if there are any."""
        exact = {index for index, label in enumerate(self._labels.labels) if normal(label) == normal(word)}
        by_id = self._ids.get(normal(word).casefold())
        return exact or ({by_id} if by_id is not None else self._names.get(plain(word), set()))

    def meaning(self, word: str) -> Meaning:
        """Find what a word stands for.

        Raises:
            UsageError: nothing.
        """
        named = self.named(word)
        found = named | self._below(word)
        found = found or {i for i, label in enumerate(self._labels.labels) if _is_word_of(word, label)}
        if not found:
            raise UsageError(f"the model knows nothing that is called `{word[:80]}`", self._suggestion(word))
        return Meaning(word, tuple(sorted(found)), found == named)

    @cached_property
    def _wordnet(self) -> Hierarchy | None:
        """What stands above the classes, where they have WordNet ids."""
        return Hierarchy.load() if any(map(WORDNET.fullmatch, self._ids)) else None

    def _below(self, word: str) -> set[int]:
        """Find the classes below all that a word stands for."""
        if self._wordnet is None:
            return set()
        name = plain(word)
        synsets = [name] if WORDNET.fullmatch(name) else self._by_plain.get(name, [])
        below = {each for synset in synsets for each in self._wordnet.all_below(synset)}
        return {self._ids[each] for each in below & self._ids.keys()}

    @cached_property
    def _by_plain(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if self._wordnet is not None:
            for synset, words in self._wordnet.words.items():
                for word in words:
                    found.setdefault(plain(word), []).append(synset)
        return found

    def _suggestion(self, word: str) -> str:
        close = difflib.get_close_matches(plain(word), {*self._names, *self._by_plain}, n=4 * _SUGGESTED)
        known = [f"`{name}`" for name in close if name in self._names or self._below(name)][:_SUGGESTED]
        if not known:
            labels = self._labels.labels
            some = labels if len(labels) <= _SHOWN_CLASSES else labels[:_SUGGESTED]
            others = f" and {len(labels) - len(some):,} others" if len(some) < len(labels) else ""
            return f"It knows {', '.join(f'`{label}`' for label in some)}{others}."
        return f"Did you mean {' or '.join(filter(None, [', '.join(known[:-1]), known[-1]]))}?"


def _is_word_of(word: str, label: str) -> bool:
    if not plain(word):  # of punctuation alone, nothing is left that could be looked for
        return False
    return re.search(rf"\b{re.escape(plain(word))}\b", plain(label)) is not None
