"""A data set's classes matched with a model's."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from senet_cli.catalogue.labels import LabelSet
from senet_cli.datasets.names import normal, plain
from senet_cli.errors import UsageError

WORDNET = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_LONGEST_INDEX = 9


def match_classes(names: Sequence[str], labels: LabelSet) -> tuple[int, ...]:
    """Find the position in the model's output of each class name of a data set.

    A name is an identifier of the model's (a WordNet id, alone or before `_` or `-`), one of its labels
    or their synonyms, where only one class has it (upper case, `_`, `-` and the Unicode form do not matter),
    or an index, where the model's classes are not called by numbers themselves.

    Raises:
        UsageError: a class that the model does not know; the hint names the closest.
    """
    known = _KnownClasses(labels)
    found = [known.find(name) for name in names]
    unknown = [name for name, index in zip(names, found, strict=True) if index is None]
    if unknown:
        raise UsageError(
            f"the model has no class `{unknown[0][:80]}`" + _and_more(len(unknown) - 1),
            f"{known.hint(unknown[0])} Classes are matched by WordNet id, name, synonym or index.",
        )
    indices = [index for index in found if index is not None]
    if len(set(indices)) < len(indices):
        twice = next(n for n, index in zip(names, indices, strict=True) if indices.count(index) > 1)
        raise UsageError(f"two classes of the images are the same class of the model: `{twice}`")
    return tuple(indices)


class _KnownClasses:
    """The classes of a model by everything they are called.

    Args:
        labels: of the model.
    """

    def __init__(self, labels: LabelSet) -> None:
        self._labels = labels
        self._by_id = {normal(known): index for index, known in enumerate(labels.ids) if known}
        self._by_label = _only((index, normal(label)) for index, label in enumerate(labels.labels))
        self._by_plain = _only((index, plain(label)) for index, label in enumerate(labels.labels))
        self._by_synonym = _by_synonym(labels)
        self._by_number = _by_number(labels)

    def find(self, name: str) -> int | None:
        """Find the position of a class in the model's output; None if there is none, or more than one."""
        name = normal(name)
        wordnet = WORDNET.match(name)
        if wordnet and wordnet[0] in self._by_id:
            return self._by_id[wordnet[0]]
        spelled = plain(name)
        for known, key in ((self._by_id, name), (self._by_label, name), (self._by_plain, spelled)):
            if key in known:
                return known[key]
        if len(self._by_synonym.get(spelled, ())) == 1:
            return next(iter(self._by_synonym[spelled]))
        short = name.isdecimal() and len(name) <= _LONGEST_INDEX
        return self._by_number.get(int(name)) if short else None

    def hint(self, name: str) -> str:
        """Suggest what an unknown name may stand for."""
        if several := self._by_synonym.get(plain(name)):
            meant = [f"`{self._labels.ids[i] or self._labels.labels[i]}`" for i in sorted(several)[:3]]
            return f"It may be {' or '.join(meant)}."
        close = difflib.get_close_matches(plain(name), {*self._by_plain, *self._by_synonym}, n=1)
        return f"Did you mean `{close[0]}`?" if close else f"It knows, say, `{self._labels.labels[0]}`."


def _only(named: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Index by name, without names that several classes have: ImageNet has a cardigan and a Cardigan."""
    named = list(named)
    times = Counter(name for _, name in named)
    return {name: index for index, name in named if times[name] == 1}


def _by_synonym(labels: LabelSet) -> dict[str, set[int]]:
    """Classes by label and synonym, spelled plainly, and by all synonyms in one (`tench, Tinca tinca`)."""
    found: dict[str, set[int]] = {}
    for index, label in enumerate(labels.labels):
        names = (label, *(labels.synonyms[index] if labels.synonyms else ()))
        for name in (*names, ", ".join(names)):
            found.setdefault(plain(name), set()).add(index)
    return found


def _by_number(labels: LabelSet) -> dict[int, int]:
    """Positions by what a name that is a number stands for.

    That is an index, unless the classes have numbers of their own: then `0` is not among 1, 2 and 3. Labels
    that are numbers throughout are found however many zeros stand before them.
    """
    names = [*labels.labels, *(name for several in labels.synonyms for name in several)]
    if not any(_NUMBER.fullmatch(name.strip()) for name in (*names, *filter(None, labels.ids))):
        return {index: index for index in range(len(labels))}
    values = [label.strip() for label in labels.labels]
    if not all(value.isdecimal() and len(value) <= _LONGEST_INDEX for value in values):
        return {}
    times = Counter(map(int, values))
    return {int(value): index for index, value in enumerate(values) if times[int(value)] == 1}


def _and_more(count: int) -> str:
    return f", nor {count:,} others" if count else ""
