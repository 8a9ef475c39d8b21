"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senet_cli.catalogue.input_size import MAX_SIZE, InputSize, SizeRecipe
from senet_cli.catalogue.lookup import MODEL_FILE, Manifest
from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli.help import GENERAL, INPUT, MODEL, OUTPUT, SPEED
from senet_cli.errors import SenetError, UsageError
from senet_cli.inference.engines.base import EngineRequest, Precision, check_device
from senet_cli.inference.processors import automatic_jobs
from senet_cli.output.endings import ReportFormat
from senet_cli.settings import Settings
from senet_cli.store.model_folders import HELD_BACK_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from senet_cli.inference.runtime import ComputeOptions

_MAX_DIGITS = 9
_MAX_JOBS = 256


def auto_or_count(text: str) -> int | None:
    """Read `auto` (None) or a whole number from 1 on."""
    if text == "auto":
        return None
    if not text.isdecimal() or len(text) > _MAX_DIGITS or int(text) < 1:
        raise typer.BadParameter(f"takes `auto` or a whole number from 1 on, not `{text}`")
    return int(text)


def checked(read: Callable[[str], object]) -> Callable[[str], str]:
    """Make the callback of an option that reads its value, so that what is wrong with it names the option."""

    def check(text: str) -> str:
        read(text)
        return text

    return check


def _device(text: str) -> None:
    try:
        check_device(text)
    except UsageError:
        raise typer.BadParameter(f"takes auto, cpu, cuda, cuda:N or mps, not `{text}`") from None


def decoding_threads(text: str) -> int:
    """Read the value of `--jobs`; `auto` means as many threads as may run at once, at most 8."""
    return asked_threads(text) or automatic_jobs()


def asked_threads(text: str) -> int | None:
    """Read the value of `--jobs` or `--threads`, at most 256; None: `auto`."""
    asked = auto_or_count(text)
    return None if asked is None else min(asked, _MAX_JOBS)


def complete_model(incomplete: str) -> list[str]:
    """Complete names of models."""
    return _starting(incomplete, lambda manifest: manifest.names())


def complete_family(incomplete: str) -> list[str]:
    """Complete names before the dot."""
    return _starting(
        incomplete, lambda manifest: dict.fromkeys(name.partition(".")[0] for name in manifest.checkpoints)
    )


def complete_labels(incomplete: str) -> list[str]:
    """Complete label sets."""
    return _starting(
        incomplete, lambda manifest: dict.fromkeys(entry.labels for entry in manifest.checkpoints.values())
    )


def complete_architecture(incomplete: str) -> list[str]:
    """Complete architecture keys."""
    return _starting(incomplete, lambda manifest: manifest.architectures)


def complete_imported(incomplete: str) -> list[str]:
    """Complete names of imported models."""
    from senet_cli.store.model_folders import ImportedModels

    try:
        names = ImportedModels.from_settings(Settings.from_environment()).names()
    except SenetError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _starting(incomplete: str, names: Callable[[Manifest], Iterable[str]]) -> list[str]:
    try:
        settings = Settings.from_environment()
        manifest = Catalogue.load(settings).manifest
    except SenetError:
        return []
    return [name for name in names(manifest) if name.startswith(incomplete)]


ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Manifest that adds or replaces models. [env: SENET_MANIFEST]",
        rich_help_panel=GENERAL,
    ),
]


def offline_option(text: str) -> Any:
    """Define `--offline`, with what it means in this command."""
    return typer.Option("--offline", help=f"{text} [env: SENET_OFFLINE]", rich_help_panel=GENERAL)


OfflineOption = Annotated[
    bool, offline_option("Never use the network: only models that are on this machine.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no notes and no progress.", rich_help_panel=GENERAL)
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Say what is used and how; also what decoders print.", rich_help_panel=GENERAL
    ),
]


def device_option(text: str) -> Any:
    """Define `--device`, with what it is for in this command."""
    return typer.Option(
        metavar="auto|cpu|cuda[:N]|mps",
        envvar="SENET_DEVICE",
        callback=checked(_device),
        help=text,
        rich_help_panel=SPEED,
    )


DeviceOption = Annotated[str, device_option("Where to run the network.")]
EngineOption = Annotated[
    EngineRequest,
    typer.Option(
        envvar="SENET_ENGINE",
        help="What runs the network; auto: OpenVINO on a CPU, else PyTorch.",
        rich_help_panel=SPEED,
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(envvar="SENET_PRECISION", help="Number format of the network.", rich_help_panel=SPEED),
]
BatchSizeOption = Annotated[
    str,
    typer.Option(
        metavar="auto|N",
        envvar="SENET_BATCH_SIZE",
        callback=checked(auto_or_count),
        help="Images that the network takes at once.",
        rich_help_panel=SPEED,
    ),
]
ReportFormatOption = Annotated[
    ReportFormat | None,
    typer.Option(
        "--format",
        help="Format of the result.",
        show_default="by the ending of -o, else table",
        rich_help_panel=OUTPUT,
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write the result to this file.", rich_help_panel=OUTPUT
    ),
]
ThreadsOption = Annotated[
    str,
    typer.Option(
        "--threads",
        metavar="auto|N",
        envvar="SENET_THREADS",
        callback=checked(auto_or_count),
        help="Processors that the network calculates with, at most 256; auto: all that you may use.",
        rich_help_panel=SPEED,
    ),
]
NoPartsOption = Annotated[
    bool,
    typer.Option(
        "--no-parts",
        help="Take all folders in DATA as classes, even those named train, val or test.",
        rich_help_panel=INPUT,
    ),
]
EmptyClassesOption = Annotated[
    bool,
    typer.Option(
        "--allow-empty-classes", help="Go on even if no image of a class can be read.", rich_help_panel=INPUT
    ),
]


def jobs_option(text: str) -> Any:
    """Define `--jobs`, with what it counts in this command."""
    return typer.Option(
        "--jobs",
        "-j",
        metavar="auto|N",
        envvar="SENET_JOBS",
        callback=checked(auto_or_count),
        help=text,
        rich_help_panel=SPEED,
    )


JobsOption = Annotated[str, jobs_option("Threads that decode images.")]


def named_files(model: str | None, *others: Path | None) -> list[Path]:
    """List files that a run reads: those of a model named by its folder, and others that options name."""
    names = (MODEL_FILE, WEIGHTS_FILE, HELD_BACK_FILE)
    folder = os.path.expanduser(model) if model else None  # noqa: PTH111 - without a home folder `~` is a name
    of_folder = [Path(folder, name) for name in names] if folder else []
    if folder and os.path.isdir(folder):  # noqa: PTH112 - no error where a name is too long for a path
        of_folder += Path(folder).glob("epoch-*.safetensors")
    return [*of_folder, *(path for path in others if path is not None)]


def architecture_option(text: str) -> Any:
    """Define `--arch`, with what it is for in this command."""
    return typer.Option(
        metavar="KEY",
        autocompletion=complete_architecture,
        help=text,
        show_default=False,
        rich_help_panel=MODEL,
    )


def activation_option(default: str) -> Any:
    """Define `--activation`, with its default in this command."""
    return typer.Option(
        "--activation",
        show_default=default,
        help="How outputs become scores; sigmoid: each class by itself, for heads with one output or "
        "several labels.",
        rich_help_panel=MODEL,
    )


WeightsKeyOption = Annotated[
    str | None,
    typer.Option(
        "--weights-key",
        metavar="KEY",
        help="Which set of weights to use if the file holds several, such as state_dict.",
        show_default="the averaged ones (EMA), if there are any",
        rich_help_panel=MODEL,
    ),
]


def image_size_option(text: str, default: str) -> Any:
    """Define `--image-size`, with what it does in this command."""
    return typer.Option(
        "--image-size",
        min=1,
        max=MAX_SIZE,
        metavar="N",
        show_default=default,
        help=text,
        rich_help_panel=MODEL,
    )


ImageSizeOption = Annotated[
    int | None,
    image_size_option(
        "Side of the network's input in pixels; the ratio of resizing to crop stays the publisher's.",
        "the publisher's",
    ),
]
RecipeOption = Annotated[
    SizeRecipe,
    typer.Option(
        "--recipe",
        help="test: the larger size that the publisher tests at, if there is one.",
        rich_help_panel=MODEL,
    ),
]
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|RUN",
        autocompletion=complete_model,
        help="Model, see `senet list`, or the folder of a training run.",
    ),
]
_NAMES = "Models, see `senet list`."
NamesRequired = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", autocompletion=complete_model, show_default=False, help=_NAMES),
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", autocompletion=complete_model, show_default=False, help=_NAMES),
]


def input_size(image_size: int | None, recipe: SizeRecipe) -> InputSize:
    """Read the size that the two options ask for."""
    size = InputSize(image_size, recipe)
    size.check()
    return size


def compute(
    engine: EngineRequest, device: str, precision: Precision, batch_size: str, jobs: str, threads: str
) -> ComputeOptions:
    """Combine the options that say where and how a network runs."""
    from senet_cli.inference.runtime import ComputeOptions

    return ComputeOptions(
        engine=engine,
        device=device,
        precision=precision,
        batch_size=auto_or_count(batch_size),
        jobs=decoding_threads(jobs),
        threads=asked_threads(threads),
    )


def settings(manifest: Path | None, *, offline: bool = False) -> Settings:
    """Merge options over environment over defaults; an option that was not given is not an answer."""
    return Settings.from_environment(manifest=manifest, offline=offline or None)
