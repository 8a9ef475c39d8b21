"""Which folders of a data set are its parts, and which are classes.

A part (train, val, test and the like) holds class folders. Folders that are named like a part but hold plain
images are unlabelled, as Kaggle's test sets are: they are neither a part nor a class, and a remark says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from senet_cli.datasets.cifar import FOLDERS
from senet_cli.datasets.class_folders import folders, holds_images, loose_images
from senet_cli.datasets.labelled import WANTED, Remark
from senet_cli.datasets.names import plain
from senet_cli.errors import UsageError, advise

_TRAINING = ("train", "training")
_MEASURING = ("val", "valid", "validation", "test", "testing", "dev", "eval", "evaluation", "holdout")
"""Names of parts, first choice first."""
_AROUND = ("images", "img", "imgs", "unlabelled", "unlabeled")
"""Names of folders around images that say nothing of what is on them."""
_NAME = re.compile(r"(?P<stem>[a-z]+?)(?: ?(?:set|data|images|imgs))?(?: ?\d+)?")
"""`train`, `test1`, `val2017`, `test set`, `validation_images`."""
_WHOLE = "the data set's own folder"


@dataclass(frozen=True, slots=True)
class Part:
    """Class folders that belong together.

    Args:
        path: the folder that they lie in.
        classes: the class folders.
        name: of the part; empty for a whole data set.
    """

    path: Path
    classes: tuple[Path, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set is laid out.

    Args:
        train: what to learn from; all there is where the data set has no parts; None where it has only parts
            to measure with.
        measured: what to measure with; None where the data set does not say.
        remarks: folders that were left out, or could have been meant otherwise.
    """

    train: Part | None
    measured: Part | None
    remarks: tuple[Remark, ...] = ()

    @property
    def for_measuring(self) -> Part:
        """The part to measure with; one to train on where the data set has no other."""
        part = self.measured or self.train
        if part is None:
            raise ValueError("a layout has at least one part")
        return part

    def with_remarks(self, *remarks: Remark) -> Layout:
        """Return the same layout with more remarks."""
        return replace(self, remarks=(*self.remarks, *remarks))


def inner(folder: Path, *, parts: bool = True) -> Path:
    """Find the folder itself, or the only one within it, as tars often have one around everything.

    Args:
        folder: of a data set.
        parts: False if no name is that of a part.

    Raises:
        DiskError: it cannot be read.
    """
    while True:
        inside = folders(folder)
        if len(inside) != 1 or loose_images(folder):
            return folder
        (only,) = inside
        if only.name in FOLDERS or (parts and _is_part(only)) or not folders(only):
            return folder
        folder = only


def lay_out(folder: Path, *, parts: bool = True) -> Layout:
    """Find parts and classes.

    Args:
        folder: of the data set, see `inner`.
        parts: False if all folders are classes, whatever they are called.

    Raises:
        UsageError: there are no folders, or none that could be classes, or their names and what they hold
            do not say which they are.
        DiskError: something cannot be read.
    """
    inside = folders(folder)
    if not inside:
        loose = ", only images whose class it does not say" if loose_images(folder) else ""
        raise UsageError(f"`{folder}` holds no class folders{loose}", WANTED)
    found = _Folders.of(folder, inside) if parts else _Folders(folder, (), inside)
    if not found.named:
        return Layout(Part(folder, tuple(inside)), None, tuple(_loose(folder, _WHOLE)))
    others = [path for path in found.others if holds_images(path)]
    labelled = found.labelled_beside(others)
    if not labelled:
        return _classes_only(found, others)
    if others and len({_role(path) for path in labelled} - {"around"}) < 2:
        raise _unclear(labelled[0], others[0])
    return _parts(found, labelled, others)


# --- names ----------------------------------------------------------------------------------------


def _stem(path: Path) -> str:
    """Strip what may follow a part's name."""
    match = _NAME.fullmatch(plain(path.name))
    return match["stem"] if match else ""


def _role(path: Path) -> str | None:
    """Tell by the name of a folder: "train", "measure" or "around"; None for any other name."""
    stem = _stem(path)
    if stem in _TRAINING:
        return "train"
    if stem in _MEASURING:
        return "measure"
    return "around" if stem in _AROUND else None


def _is_part(path: Path) -> bool:
    return _role(path) in ("train", "measure")


def _choice(path: Path) -> tuple[int, str]:
    """Return what to sort parts by, so that the first choice comes first."""
    return (*_TRAINING, *_MEASURING, *_AROUND).index(_stem(path)), plain(path.name)


# --- what folders hold ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folders:
    """The folders of a data set.

    Args:
        folder: that they lie in.
        named: those that are named like a part or like a folder around images.
        others: those that are not.
    """

    folder: Path
    named: Sequence[Path]
    others: Sequence[Path]

    @classmethod
    def of(cls, folder: Path, inside: Sequence[Path]) -> _Folders:
        """Group these folders by their names."""
        named = sorted((path for path in inside if _role(path)), key=_choice)
        return cls(folder, named, [path for path in inside if not _role(path)])

    def labelled_beside(self, others: Sequence[Path]) -> list[Path]:
        """Those with class folders. Beside folders that may be classes they must hold nothing else."""
        labelled = [path for path in self.named if _class_folders(path)]
        return [path for path in labelled if not loose_images(path)] if others else labelled


def _within(path: Path) -> Path:
    """Find the folder with a part's content: `val/images/`, `test/test/` have another one around it."""
    while True:
        inside = folders(path)
        if len(inside) != 1 or loose_images(path):
            return path
        if not _role(inside[0]) and plain(inside[0].name) != "unknown":
            return path
        (path,) = inside


def _class_folders(path: Path) -> list[Path]:
    """List the class folders of a part; none if it holds only images, or nothing."""
    path = _within(path)
    inside = folders(path)
    if loose_images(path) and not any(holds_images(folder) for folder in inside):
        return []
    return inside


def _loose(folder: Path, name: str) -> list[Remark]:
    count = len(loose_images(folder))
    return [Remark(name, f"holds {count:,} images in no class folder, which are left out")] if count else []


def _unlabelled(path: Path) -> Remark:
    if not holds_images(path):
        return Remark(f"`{path.name}`", "holds no image")
    text = "is named like a part, but holds no class folders: it is unlabelled and left out"
    return Remark(f"`{path.name}`", text, by_name=True)


# --- decisions ------------------------------------------------------------------------------------


def _parts(found: _Folders, labelled: list[Path], others: list[Path]) -> Layout:
    """At least one part has class folders."""
    first = {str(_role(path)): path for path in reversed(labelled)}
    train, measured = first.get("train", first.get("around")), first.get("measure")
    remarks = [_unlabelled(path) for path in found.named if not _class_folders(path)]
    remarks += [
        Remark(f"`{path.name}`", "is another part, which is left out", by_name=True)
        for path in labelled
        if path not in (train, measured)
    ]
    remarks += [Remark(f"`{path.name}`", "lies beside parts and is left out") for path in others]
    remarks += _loose(found.folder, _WHOLE)
    if train and first.keys() == {"around"}:  # the data set is in there
        return lay_out(inner(_within(train))).with_remarks(*remarks)
    chosen = [
        Part(_within(path), tuple(_class_folders(path)), path.name) if path else None
        for path in (train, measured)
    ]
    for part in chosen:
        remarks += _loose(part.path, f"`{part.name}`") if part else []
    return Layout(chosen[0], chosen[1], tuple(remarks))


def _classes_only(found: _Folders, others: list[Path]) -> Layout:
    """No part has class folders: the classes lie in the folder itself, if there are any."""
    if not others:
        raise _all_flat(found)
    classes, remarks = found.others, [_unlabelled(path) for path in found.named]
    if [plain(path.name) for path in found.named] == ["train"]:  # as among buses and cars
        classes = [*found.others, *found.named]
        remarks = [Remark("`train`", "lies among class folders and is taken for a class")]
    return Layout(Part(found.folder, tuple(classes)), None, (*remarks, *_loose(found.folder, _WHOLE)))


def _all_flat(found: _Folders) -> UsageError:
    names = [f"`{path.name}`" for path in found.named if holds_images(path)]
    if not names:
        return UsageError(f"no folder in `{found.folder}` holds an image", WANTED)
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    what = "are names of parts" if len(names) > 1 else "is the name of a part"
    return UsageError(
        f"{listed} in `{found.folder}` {what}, not of classes, and nothing says what the images show",
        "Put the images into class folders (train/cat, train/dog).",
        advise("take-folders-as-classes"),
    )


def _unclear(part: Path, other: Path) -> UsageError:
    return UsageError(
        f"`{part}` holds folders, as a part does, but `{other.name}` beside it holds images too",
        f"If `{part.name}` is a part, give `{part}` itself.",
        advise("take-folders-as-classes"),
    )
