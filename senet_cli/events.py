"""What tasks report while they work: typed values that a reporter shows, collects or drops.

They are not frozen and cannot be compared: generating that for all of them would cost each start of a command
20 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from senet_cli.errors import SenetError

# --- downloads ------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class DownloadsPlanned:
    """Several files are about to be fetched; `sizes` in bytes, None where not published."""

    sizes: tuple[int | None, ...]


@dataclass(eq=False, repr=False)
class DownloadStarted:
    """Bytes of `name` begin to arrive from `origin`; `done` of `size` bytes are here already."""

    name: str
    origin: str
    size: int | None
    done: int


@dataclass(eq=False, repr=False)
class DownloadAdvanced:
    """That many more bytes have arrived."""

    count: int


@dataclass(eq=False, repr=False)
class DownloadRetried:
    """An attempt failed; the same address is tried again after `seconds`."""

    error: SenetError
    seconds: float


@dataclass(eq=False, repr=False)
class OriginFailed:
    """One origin did not deliver; the next one is tried."""

    error: SenetError


@dataclass(eq=False, repr=False)
class DownloadFinished:
    """The file is verified and installed at `path`."""

    path: Path
    sha256: str


@dataclass(eq=False, repr=False)
class DamagedFilePutAside:
    """A file in the cache no longer has its published digest; it is fetched again."""

    error: SenetError


@dataclass(eq=False, repr=False)
class FilesAbsent:
    """A folder that was searched for all models has no file for `count` of them."""

    count: int


@dataclass(eq=False, repr=False)
class WaitingForProcess:
    """Another process works on the same thing; this one waits for it."""

    work: Literal["fetching", "converting", "changing"]
    name: str


# --- models ---------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class BundledModelUsed:
    """The default model cannot be had, so the model that comes with the package is used.

    Args:
        name, labels: of the bundled model.
        default: name of the default model.
        error: why it cannot be had.
    """

    name: str
    labels: tuple[str, ...]
    default: str
    error: SenetError


@dataclass(eq=False, repr=False)
class ModelLoading:
    """A model is here and is being loaded; `ModelReady` follows."""

    name: str


@dataclass(eq=False, repr=False)
class ConversionStarted:
    """A network is converted for OpenVINO, once for this machine."""

    name: str


@dataclass(eq=False, repr=False)
class ConversionNotKept:
    """The conversion works, but cannot be kept for the next time."""

    error: SenetError


@dataclass(eq=False, repr=False)
class WeightsTaken:
    """Which weights of a user's file are used.

    Args:
        words: one sentence without a final stop.
        several: True if the file holds several sets of weights.
        asked: True if the user chose the set.
    """

    words: str
    several: bool
    asked: bool


@dataclass(eq=False, repr=False)
class ModelReady:
    """A model is loaded.

    Args:
        name, architecture: of the model.
        start: the file or folder that it was loaded from, in words.
        runtime: engine, device and precision, in words.
        preprocessing: in words.
        batch_size: images in a batch.
        jobs: decoding threads.
    """

    name: str
    architecture: str
    start: str
    runtime: str
    preprocessing: str
    batch_size: int
    jobs: int


@dataclass(eq=False, repr=False)
class UnfinishedRunUsed:
    """A model is that of a run of whose `epochs` only `done` are done; `folder` None: it is elsewhere."""

    model: str
    folder: Path | None
    done: int
    epochs: int


@dataclass(eq=False, repr=False)
class ModelKept:
    """A model stays although its downloads are removed: it is the user's own, or comes with the package."""

    name: str
    imported: bool


@dataclass(eq=False, repr=False)
class ClassesMeant:
    """A word that was asked for stands for several classes of the model, by what they have in common.

    Args:
        word: as it was asked for.
        labels: of the classes.
    """

    word: str
    labels: tuple[str, ...]


# --- images ---------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class DataSetUnderstood:
    """How folders of a data set were understood that might have been meant otherwise.

    Args:
        remarks: one line each.
        by_name: True if the name of one decided, and it would be a class without parts.
    """

    remarks: tuple[str, ...]
    by_name: bool


@dataclass(eq=False, repr=False)
class RecordUnusable:
    """It is not known which images a model of the user's was trained on.

    Args:
        model: its name.
        problem: what is wrong with its record; empty where there is none.
    """

    model: str
    problem: str = ""


@dataclass(eq=False, repr=False)
class ImagesToIdentify:
    """Many images are about to be read once, so that they are known again."""

    count: int


@dataclass(eq=False, repr=False)
class ImagesCounted:
    """That many images are about to be worked on."""

    count: int


@dataclass(eq=False, repr=False)
class ImagesDone:
    """That many images are done so far."""

    done: int


@dataclass(eq=False, repr=False)
class TrainingImagesFound:
    """The model was trained on `count` of `of` images, which are left out, or measured all the same."""

    model: str
    count: int
    of: int
    left_out: bool


@dataclass(eq=False, repr=False)
class RecordsKept:
    """Records of an earlier run are kept, and the images that they are of are not classified again.

    Args:
        kept: how many.
        of: how many there were.
        changed: the first image that is not what it was then, from which on they are made anew; None if all
            are what they were.
    """

    kept: int
    of: int
    changed: str | None


@dataclass(eq=False, repr=False)
class RecordsOfAnotherVersion:
    """Records that are kept were made by another version of senet."""

    version: str


# --- benchmarks -----------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class EngineLeftOut:
    """OpenVINO is not measured in that precision on that device: it is missing, or cannot do it."""

    precision: str
    device: str


# --- training -------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class ImagesNotMeasured:
    """Images of the part to measure with are trained on: in this run, or by a model that it comes from."""

    count: int
    earlier: bool


@dataclass(eq=False, repr=False)
class ClassesNotMeasured:
    """No image of these classes is held back, because a model that the run comes from saw them all."""

    names: tuple[str, ...]


@dataclass(eq=False, repr=False)
class NothingHeldBack:
    """A model that the run comes from saw all images, so that no accuracy can be measured."""


@dataclass(eq=False, repr=False)
class HeldBackImagesTrained:
    """Images that a model held back, from which the run comes, are trained on now."""

    count: int


@dataclass(eq=False, repr=False)
class ClassesUnreadable:
    """No image of these classes can be read: they are not learned, or, `held_back`, not measured."""

    names: tuple[str, ...]
    held_back: bool


@dataclass(eq=False, repr=False)
class TrainingPlanned:
    """How a run is trained, chosen or asked for.

    Args:
        images: to train on.
        batch_size, epochs, optimiser, rate, augment, freeze, balance, probe, patience: as in the recipe.
        fine_tuning: True if the run starts with trained weights.
    """

    images: int
    batch_size: int
    epochs: int
    optimiser: str
    rate: float
    augment: str
    freeze: int
    balance: bool
    probe: bool
    patience: int
    fine_tuning: bool


@dataclass(eq=False, repr=False)
class ProbeFitted:
    """A head was fitted to the features; it is right for `right` of `of` images that are held back."""

    right: int
    of: int


@dataclass(eq=False, repr=False)
class ProbeKept:
    """Training all layers made the model worse, so the fitted head and the network as it was are kept.

    Args:
        tuned, probe: images held back for which each is right.
        of: how many there are.
    """

    tuned: int
    probe: int
    of: int


@dataclass(eq=False, repr=False)
class TrainingStopped:
    """Nothing got better for a while, so a run ended after `epoch`; the weights of epoch `best` are kept."""

    epoch: int
    best: int


@dataclass(eq=False, repr=False)
class TrainingPrepared:
    """Data and network are ready.

    Args:
        train, held_back: numbers of images to learn from and to measure with.
        classes: number of classes.
        first_epoch, epochs: the epoch that comes first, from 1, and how many there are in all.
    """

    train: int
    held_back: int
    classes: int
    first_epoch: int
    epochs: int


@dataclass(eq=False, repr=False)
class EpochAdvanced:
    """`done` of `of` training images are done in this epoch."""

    epoch: int
    done: int
    of: int


@dataclass(eq=False, repr=False)
class EpochFinished:
    """An epoch is over and can be resumed from.

    Args:
        number, epochs: from 1, of so many.
        loss: mean training loss.
        accuracy, held_back_accuracy: top-1, 0..1; NaN where nothing is held back.
        seconds: for training and measuring.
    """

    number: int
    epochs: int
    loss: float
    accuracy: float
    held_back_accuracy: float
    seconds: float


@dataclass(eq=False, repr=False)
class ImagesUnreadable:
    """Images were left out of an epoch; why, one line each."""

    problems: Sequence[str]


Event = (
    DownloadsPlanned
    | DownloadStarted
    | DownloadAdvanced
    | DownloadRetried
    | OriginFailed
    | DownloadFinished
    | DamagedFilePutAside
    | FilesAbsent
    | WaitingForProcess
    | BundledModelUsed
    | ModelLoading
    | ConversionStarted
    | ConversionNotKept
    | WeightsTaken
    | ModelReady
    | UnfinishedRunUsed
    | ModelKept
    | ClassesMeant
    | DataSetUnderstood
    | RecordUnusable
    | ImagesToIdentify
    | ImagesCounted
    | ImagesDone
    | TrainingImagesFound
    | RecordsKept
    | RecordsOfAnotherVersion
    | EngineLeftOut
    | ImagesNotMeasured
    | ClassesNotMeasured
    | NothingHeldBack
    | HeldBackImagesTrained
    | ClassesUnreadable
    | TrainingPlanned
    | ProbeFitted
    | ProbeKept
    | TrainingStopped
    | TrainingPrepared
    | EpochAdvanced
    | EpochFinished
    | ImagesUnreadable
)
"""Anything that a task reports."""


class Reporter(Protocol):
    """Receives events, in the thread that works, in the order in which they happen."""

    def report(self, event: Event) -> None:
        """Take note of an event; must not raise."""


class Silence:
    """Drops every event."""

    def report(self, event: Event) -> None:
        """Do nothing."""


SILENCE: Reporter = Silence()
