"""What tasks report, in words for people, on standard error."""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Callable
from types import TracebackType
from typing import Any

from senet_cli.cli.console import note, say
from senet_cli.cli.download_progress import DownloadDisplay, DownloadEvent
from senet_cli.cli.progress import epoch_progress, image_progress
from senet_cli.cli.waiting import Waiting
from senet_cli.errors import NetworkError
from senet_cli.events import (
    BundledModelUsed,
    ClassesMeant,
    ClassesNotMeasured,
    ClassesUnreadable,
    ConversionNotKept,
    ConversionStarted,
    DamagedFilePutAside,
    DataSetUnderstood,
    EngineLeftOut,
    EpochAdvanced,
    EpochFinished,
    Event,
    FilesAbsent,
    HeldBackImagesTrained,
    ImagesCounted,
    ImagesDone,
    ImagesNotMeasured,
    ImagesToIdentify,
    ImagesUnreadable,
    ModelKept,
    ModelLoading,
    ModelReady,
    NothingHeldBack,
    ProbeFitted,
    ProbeKept,
    RecordsKept,
    RecordsOfAnotherVersion,
    RecordUnusable,
    TrainingImagesFound,
    TrainingPlanned,
    TrainingPrepared,
    TrainingStopped,
    UnfinishedRunUsed,
    WaitingForProcess,
    WeightsTaken,
)
from senet_cli.output.text import counted
from senet_cli.settings import DEFAULT_MODEL

_SHOWN_CLASSES = 3
_SLOW: dict[type[Event], str] = {
    ModelLoading: "Loading {}",
    ConversionStarted: "Preparing {} for this processor (once)",
}
"""What may take more than a moment."""


class ConsoleReporter:
    """Shows events; use it as a context manager, so that displays leave the terminal.

    Args:
        quiet: True shows warnings only.
        details: True also shows how a model is prepared and run.
    """

    def __init__(self, *, quiet: bool = False, details: bool = False) -> None:
        self._quiet, self._details = quiet, details
        self._downloads = DownloadDisplay()
        self._waiting = Waiting()
        self._displays = contextlib.ExitStack()
        self._on_images: Callable[[int], None] = lambda _: None
        self._on_epoch: Callable[[int, int, int], None] = lambda *_: None

    def __enter__(self) -> ConsoleReporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take displays off the terminal."""
        self._waiting.end()
        self._downloads.close()
        self._displays.close()

    def report(self, event: Event) -> None:
        """Show an event."""
        if not self._quiet and isinstance(event, ModelLoading | ConversionStarted):
            self._waiting.begin(_SLOW[type(event)].format(event.name))
        elif isinstance(event, ModelReady):
            self._waiting.end()
        if isinstance(event, ModelLoading):
            return  # nothing to say, unless it takes long
        if isinstance(event, ImagesDone):
            self._on_images(event.done)
        elif isinstance(event, ImagesCounted):
            progress = image_progress(shown=not self._quiet, count=lambda: event.count)
            self._on_images = self._displays.enter_context(progress)
        elif isinstance(event, EpochAdvanced):
            self._on_epoch(event.epoch, event.done, event.of)
        elif warning := _warning(event):
            say(warning, "yellow")
            if self._details and not self._quiet and isinstance(event, BundledModelUsed):
                for line in _why_bundled(event):
                    note(line)
        elif not self._quiet:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        if isinstance(event, TrainingPrepared):
            progress = epoch_progress(event.epochs, shown=True)
            self._on_epoch = self._displays.enter_context(progress)
        if isinstance(event, DownloadEvent):
            self._downloads.show(event)
        elif isinstance(event, EpochFinished):
            say(_epoch(event))
        elif self._details or not _is_detail(event):
            for line in _lines(event):
                note(line)


def _warning(event: Event) -> str:
    """Say what is shown even with `-q`; empty for anything else."""
    if isinstance(event, BundledModelUsed):
        return _bundled(event)
    if isinstance(event, RecordsOfAnotherVersion):
        return f"warning: the records that are kept were made by senet {event.version}, another version"
    return f"warning: {event.error.message}" if isinstance(event, DamagedFilePutAside) else ""


def _is_detail(event: Event) -> bool:
    """Return True for events that are only shown with `-v`."""
    if isinstance(event, WeightsTaken):
        return not event.several
    return isinstance(event, ConversionStarted | ConversionNotKept | ModelReady)


def _bundled(event: BundledModelUsed) -> str:
    """Say in two lines what a first answer without internet is."""
    labels, error = event.labels, event.error
    why = error.brief if isinstance(error, NetworkError) else "the cache cannot be used"
    shown = ", ".join(labels[:_SHOWN_CLASSES]) + (" ..." if len(labels) > _SHOWN_CLASSES else "")
    return (
        f"{event.default.partition('.')[0]} is not here and cannot be downloaded ({why}).\n"
        f"Using the small bundled model: {len(labels)} classes ({shown})."
    )


def _why_bundled(event: BundledModelUsed) -> list[str]:
    return [
        f"`{event.name}` is used, because `{event.default}` cannot be had: {event.error.message}",
        f"`senet download {DEFAULT_MODEL}` gets it, `--no-fallback` refuses another model",
    ]


_WORK = {
    "fetching": "another process is fetching {}; waiting for it",
    "converting": "another process converts `{}`; waiting for it",
    "changing": "another process changes `{}`; waiting for it",
}


def _lines(event: Event) -> list[str]:
    words = _WORDS[type(event)](event)
    return [words] if isinstance(words, str) else words


def _kept(event: ModelKept) -> str:
    if event.imported:
        return f"`{event.name}` is yours and stays; `senet import --remove {event.name}` deletes it"
    return f"`{event.name}` comes with senet and stays"


def _taken(event: WeightsTaken) -> str:
    another = event.several and not event.asked
    return f"{event.words}; --weights-key takes another" if another else event.words


def _ready(event: ModelReady) -> list[str]:
    return [
        f"{event.name} ({event.architecture}) from {event.start}",
        event.runtime,
        event.preprocessing,
        f"batches of {event.batch_size}, {event.jobs} decoding threads",
    ]


def _understood(event: DataSetUnderstood) -> list[str]:
    other = ["with --no-parts all folders are classes, whatever they are called"]
    return [*event.remarks, *(other if event.by_name else [])]


_EARLIER = "a model that this one comes from"
_SHOWN = 5
"""Names in a line."""


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN:,} others" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more


def _classes(count: int) -> str:
    return counted(count, "class", "classes")


def _not_recorded(event: RecordUnusable) -> str:
    why = f"{event.problem}, so " if event.problem else ""
    return (
        f"{why}it is not known which images `{event.model}` was trained on; some of these may be among them"
    )


def _trained_on(event: TrainingImagesFound) -> str:
    share = f"{event.count:,} of {event.of:,} images"
    if event.left_out:
        return f"leaving out {share}: `{event.model}` was trained on them"
    return f"`{event.model}` was trained on {share}"


def _unreadable(event: ClassesUnreadable) -> str:
    which, what = ("held-back image", "measured") if event.held_back else ("image to train on", "learned")
    return f"no {which} of {_named(event.names)} can be read: not {what}"


def _planned(event: TrainingPlanned) -> str:
    images = f"{counted(event.images, 'image')}: batch {event.batch_size}, {counted(event.epochs, 'epoch')}"
    parts = [
        f"{'Adam' if event.optimiser == 'adam' else 'SGD'}, rate {event.rate:.2g}",
        f"augmentation {event.augment}",
    ]
    if event.probe:
        parts.append("the head first, by its features")
    if event.freeze:
        parts.append(f"stem and {event.freeze} stages frozen")
    elif event.fine_tuning:
        parts.append("then all layers" if event.probe else "all layers")
    if event.balance:
        parts.append("classes weighted")
    if event.patience:
        parts.append(f"ends after {event.patience} epochs without progress")
    return f"{images}, {', '.join(parts)}"


def _share(right: int, of: int) -> str:
    return f"{100 * right / of:.0f} % ({right:,} of {of:,})" if of else "nothing"


def _prepared(event: TrainingPrepared) -> str:
    going_on = f"; going on with epoch {event.first_epoch}" if event.first_epoch > 1 else ""
    images, classes = counted(event.train, "image"), _classes(event.classes)
    return f"{images} of {classes}, {event.held_back:,} held back{going_on}"


def _records(event: RecordsKept) -> str:
    of = f" of {event.of:,}" if event.of > event.kept else ""
    records = f"{event.kept:,}{of} record{'s' * (max(event.kept, event.of) != 1)}"
    if event.changed is None:
        return f"keeping {records}, and going on after that"
    return f"keeping {records}: `{event.changed}` is not the image that was there, or not as it was"


_WORDS: dict[type, Callable[[Any], str | list[str]]] = {
    WaitingForProcess: lambda event: _WORK[event.work].format(event.name),
    FilesAbsent: lambda event: f"no file is there of {counted(event.count, 'model')}",
    ModelKept: _kept,
    ConversionStarted: lambda event: f"converting `{event.name}` for OpenVINO, this once",
    ConversionNotKept: lambda event: f"the conversion cannot be kept: {event.error.message}",
    WeightsTaken: _taken,
    ModelReady: _ready,
    UnfinishedRunUsed: lambda event: (
        f"`{event.model}` is from a run that is not finished, {event.done} of {event.epochs} epochs"
        + (
            f"; `senet train --resume -o {shlex.quote(str(event.folder))}` goes on with it"
            if event.folder
            else ""
        )
    ),
    DataSetUnderstood: _understood,
    RecordUnusable: _not_recorded,
    ImagesToIdentify: lambda event: f"reading {counted(event.count, 'image')} once, to know them again",
    TrainingImagesFound: _trained_on,
    ClassesMeant: lambda event: f"`{event.word}` means {_classes(len(event.labels))}: {_named(event.labels)}",
    RecordsKept: _records,
    EngineLeftOut: lambda event: (
        f"no row for OpenVINO in {event.precision} on {event.device}: not installed, or it cannot do that"
    ),
    ImagesNotMeasured: lambda event: (
        f"{_EARLIER if event.earlier else 'this one'} is trained on {event.count:,} of the images to measure "
        "with: they are not measured"
    ),
    ClassesNotMeasured: lambda event: (
        f"{_EARLIER} was trained on all images of {_named(event.names)}: not measured"
    ),
    NothingHeldBack: lambda _: f"{_EARLIER} was trained on all images: no accuracy can be measured",
    HeldBackImagesTrained: lambda event: (
        f"{counted(event.count, 'image')} held back by a model that this one comes from: trained on now"
    ),
    ClassesUnreadable: _unreadable,
    TrainingPlanned: _planned,
    TrainingPrepared: _prepared,
    ProbeFitted: lambda event: (
        f"the head alone, fitted to the features: {_share(event.right, event.of)} held back"
        if event.of
        else "the head is fitted to the features"
    ),
    ProbeKept: lambda event: (
        f"training all layers made it worse ({_share(event.tuned, event.of)}): the fitted head "
        f"({_share(event.probe, event.of)}) and the network as it was are kept"
    ),
    TrainingStopped: lambda event: (
        f"nothing got better for {event.epoch - event.best} epochs: stopped, epoch {event.best} is kept"
    ),
    ImagesUnreadable: lambda event: (
        f"left out {counted(len(event.problems), 'image')} that cannot be read, such as {event.problems[0]}"
    ),
}


def _epoch(event: EpochFinished) -> str:
    held_back = event.held_back_accuracy
    measured = "" if math.isnan(held_back) else f"held back {100 * held_back:.2f} %  "
    return (
        f"epoch {event.number}/{event.epochs}  loss {event.loss:.3f}  "
        f"training {100 * event.accuracy:.2f} %  {measured}{event.seconds:.0f} s"
    )
