"""What the manifest says, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NewType
from urllib.parse import unquote, urlsplit

from senet_cli.catalogue.activation import Activation
from senet_cli.specs import Spec
from senet_cli.specs.declare import Between

EntryName = NewType("EntryName", str)
"""Name of a checkpoint, checked: a-z, 0-9, `_`, `-` and at most one `.`; safe as a file name."""

FileFormat = Literal["safetensors", "torch", "torch-zip", "caffemodel"]
Interpolation = Literal["bilinear", "bicubic"]

SUFFIXES: dict[FileFormat, str] = {
    "safetensors": "safetensors",
    "torch": "pth",
    "torch-zip": "zip",
    "caffemodel": "caffemodel",
}
OWN_RUN = "`senet train`"
"""Source of an accuracy that was measured at the end of a training run."""
Pixels = Annotated[int, Between(1, 4096)]
Percent = Annotated[float, Between(0, 100)]
_Mean = Annotated[float, Between(0, 1)]
_Deviation = Annotated[float, Between(1e-6, 10)]
MAX_BYTES = 2 * 2**30
"""Cap on a download whose size is not published."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The publisher's larger size for tests, in pixels; all else is as in `preprocess`."""

    resize: Pixels
    crop: Pixels


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How the publisher turns an RGB image into the network's input: resized, cropped, normalised.

    Args:
        resize: pixels of the shorter edge after resizing.
        crop: side of the square cut from the centre, pixels.
        interpolation: resampling filter.
        mean, std: subtracted and divided by, per channel, on values 0..1 in RGB order.
    """

    resize: Pixels
    crop: Pixels
    interpolation: Interpolation
    mean: tuple[_Mean, _Mean, _Mean]
    std: tuple[_Deviation, _Deviation, _Deviation]


@dataclass(frozen=True, slots=True)
class Architecture:
    """An architecture key with what your own weights get when nothing else is said.

    Args:
        key: as `--arch` takes it.
        spec: the exact structure.
        preprocess: usual preprocessing for networks of this structure.
        labels: usual label set.
    """

    key: str
    spec: Spec
    preprocess: Preprocess
    labels: str


@dataclass(frozen=True, slots=True)
class Digest:
    """The published SHA-256 of a file: all 64 hexadecimal digits, or the prefix in its name."""

    value: str

    @property
    def full(self) -> bool:
        """True if all digits are known."""
        return len(self.value) == 64

    def identifies(self, sha256: str) -> bool:
        """Return True if `sha256` (64 digits) agrees with what is published."""
        return sha256.startswith(self.value)

    def excludes(self, sha256: str) -> bool:
        """Return True if what is published rules `sha256` (64 digits) out."""
        return not self.identifies(sha256)

    def __str__(self) -> str:
        return self.value if self.full else f"{self.value}... (published prefix)"


@dataclass(frozen=True, slots=True)
class MemberDigest:
    """The published SHA-1 of the one file in a zip archive, whose own digest is not published.

    Args:
        member: the file's name in the archive.
        sha1: 40 hexadecimal digits.
    """

    member: str
    sha1: str

    full = False

    @property
    def value(self) -> str:
        """What stands for the file before its SHA-256 is known."""
        return self.sha1

    def identifies(self, sha256: str) -> bool:
        """Return False: nothing is published of the archive's own bytes; only its member tells."""
        return False

    def excludes(self, sha256: str) -> bool:
        """Return False, for the same reason."""
        return False

    def __str__(self) -> str:
        return f"SHA-1 {self.sha1} of {self.member} in it"


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """One file that holds a checkpoint's weights.

    Args:
        urls: first choice, then mirrors; the same bytes everywhere.
        digest: what the bytes must hash to.
        size: bytes, None where not published.
        format: how to read it.
        layout: whose key names it uses.
        path: where it lies, for files that come with their manifest; it then needs no address.
        seen: when we fetched, verified and ran it ourselves, YYYY-MM-DD; None: never.
    """

    urls: tuple[str, ...]
    digest: Digest | MemberDigest
    size: int | None
    format: FileFormat
    layout: str
    path: Path | None = None
    seen: str | None = None

    @property
    def max_bytes(self) -> int:
        """More than this is never read from a server."""
        return self.size or MAX_BYTES

    @property
    def digest_name(self) -> str:
        """A name that says what the file is: its published digest and the ending of its format."""
        return f"{self.digest.value}.{SUFFIXES[self.format]}"

    @property
    def names(self) -> tuple[str, ...]:
        """Last parts of the addresses: what a person's own copy is likely called."""
        parts = (unquote(urlsplit(url).path).rpartition("/")[2] for url in self.urls)
        return tuple(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True, slots=True)
class Metric:
    """A published accuracy.

    Args:
        dataset: what it was measured on.
        top1, top5: percent.
        size: side of the input in pixels.
        source: where it is published; `OWN_RUN` for one that is not.
        images: how many it was measured on, where that is known.
    """

    dataset: str
    top1: Percent
    top5: Percent | None
    size: Pixels
    source: str
    images: Annotated[int, Between(1, 10**9)] | None = None

    @property
    def published(self) -> bool:
        """False for an accuracy that you measured, on images of yours."""
        return self.source != OWN_RUN


@dataclass(frozen=True, slots=True)
class Licence:
    """What is stated about the weights' licence."""

    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network as a value.

    Args:
        name: `<family>.<recipe>`.
        publisher: who trained or ported it.
        architecture: key and exact structure, with this checkpoint's number of classes.
        labels: name of its label set.
        preprocess: the publisher's.
        files: the same weights in one or more files, first choice first.
        metrics: published accuracies, best source first.
        licence: of the weights.
        aliases: other names that people know it by.
        sources: where the facts come from.
        test_preprocess: the publisher's for tests at a larger size, where there is one.
        activation: what turns the network's outputs into scores.
    """

    name: EntryName
    publisher: str
    architecture: Architecture
    labels: str
    preprocess: Preprocess
    files: tuple[CheckpointFile, ...]
    metrics: tuple[Metric, ...]
    licence: Licence
    aliases: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    test_preprocess: Preprocess | None = None
    activation: Activation = "softmax"

    @property
    def metric(self) -> Metric | None:
        """The accuracy at the size that `preprocess` crops to, if it is published."""
        return self.metric_with(self.preprocess)

    def metric_with(self, preprocess: Preprocess) -> Metric | None:
        """Find the accuracy published for this preprocessing, which must be the publisher's own."""
        if preprocess not in (self.preprocess, self.test_preprocess):
            return None
        return next((m for m in self.metrics if m.size == preprocess.crop), None)
