"""`senet train`: train a network on your own images."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from senet_cli.catalogue.lookup import name_elsewhere
from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note, say
from senet_cli.cli.help import MODEL, OUTPUT, SPEED, TRAINING
from senet_cli.cli.hints import import_command
from senet_cli.errors import Terminated, UsageError
from senet_cli.events import EpochFinished, Event, Reporter, TrainingPrepared
from senet_cli.output.base import open_output

if TYPE_CHECKING:
    from senet_cli.tasks.train.run import Trained

EXAMPLES = (
    "senet train pets/ --from seresnet50 -o runs/pets && senet predict -m runs/pets photo.jpg",
    "senet train --resume -o runs/pets --epochs 60",
    "senet train cifar-10-batches-py --arch seresnet20-cifar --epochs 100 -o runs/cifar",
)
FIRST = ("origin", "arch", "output", "epochs", "resume")
_MAX_SEED = 2**32 - 1
_STARTS = "Give one of `--arch KEY` and `--from NAME`."


def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of class folders (or with train/ and val/), a tar of one, or CIFAR's batches.",
            show_default="with --resume that of the run",
        ),
    ] = None,
    arch: Annotated[
        str | None,
        opt.architecture_option(
            "Train this architecture from random weights, see `senet list --architectures`."
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|RUN",
            autocompletion=opt.complete_model,
            help="Start from this model's weights instead, with a new head.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|RUN",
            autocompletion=opt.complete_model,
            help="Learn from this model's answers too; it must know the same classes. May be given again.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="RUN", help="Folder for the finished model.", rich_help_panel=OUTPUT
        ),
    ] = Path("run"),
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Passes over the training images; with --resume more of them extend a finished run.",
            show_default="by the number of images, 15 to 100",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the run in -o; what you do not say is as it was begun.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    no_se: Annotated[
        bool,
        typer.Option(
            "--no-se", help="Leave out the SE modules: the plain twin, for comparison.", rich_help_panel=MODEL
        ),
    ] = False,
    freeze: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="With --from: keep the stem and the first N stages as they are.",
            show_default="0",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    augment: Annotated[
        Literal["standard", "scale", "cutmix", "none"] | None,
        typer.Option(
            help="standard: shift and mirror; scale: also zoom, light and colour; cutmix: also patches of "
            "other images.",
            show_default="standard; with --from and up to 1,000 images scale",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Images for one step.",
            show_default="by the number of images, 8 to 128",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            metavar="RATE",
            help="Highest learning rate.",
            show_default="adam: 0.001; sgd: 0.1 for batches of 128, with --from 0.012; less for smaller ones",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=_MAX_SEED,
            metavar="N",
            help="Seed of weights, order and augmentation.",
            show_default="0",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    optimizer: Annotated[
        Literal["sgd", "adam"] | None,
        typer.Option(
            help="What takes the steps; adam: first layers change least in networks for over 64 pixels.",
            show_default="adam with --from, sgd with --arch",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    balance: Annotated[
        bool | None,
        typer.Option(
            "--balance/--no-balance",
            help="Weigh the loss so that each class counts alike.",
            show_default="where the largest class has twice the images of the smallest",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="With --from: begin with a head that is fitted to the network's features.",
            show_default="where the classes are new, up to 20,000 images",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="End after N epochs without a lower loss on what is held back; 0: never.",
            show_default="a third of the epochs, where these are not given and 30 images are held back",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None,
        typer.Option(
            help="Number format; auto: bf16 in batches of 64 or more, where the processor has it.",
            show_default="auto",
            rich_help_panel=SPEED,
        ),
    ] = None,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="Refuse operations whose result varies from run to run (GPUs).",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    device: Annotated[str, opt.device_option("Where to train.")] = "auto",
    jobs: Annotated[str, opt.jobs_option("Processes that decode images.")] = "auto",
    threads: opt.ThreadsOption = "auto",
    no_parts: opt.NoPartsOption = False,
    allow_empty_classes: opt.EmptyClassesOption = False,
    manifest: opt.ManifestOption = None,
    offline: Annotated[
        bool, opt.offline_option("Never use the network: --from and --teacher are models on this machine.")
    ] = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Train a network on your own images, from scratch or from a pretrained model.

    Leaves model.safetensors, model.json, log.csv and curves.png in RUN; `senet predict -m RUN` works from the
    first epoch on. A run that was stopped goes on with `senet train --resume -o RUN`. Without a part to
    measure with (val/ or test/), a tenth of each class is held back.
    """
    if arch is not None and origin is not None:
        raise UsageError("two starting points", _STARTS)
    if arch is None and origin is None and not resume:
        raise UsageError("no starting point", _STARTS)
    if data is None and not resume:
        raise UsageError("no images to train on", "Name a folder of class folders, or a tar of one.")
    if origin is not None and no_se:
        raise UsageError("`--no-se` needs random weights", "Use it with `--arch`.")
    if freeze and arch is not None:
        raise UsageError("`--freeze` keeps trained weights", "Use it with `--from`.")
    if lr is not None and not math.isfinite(lr):
        raise UsageError(f"the learning rate is {lr}", "Give a number such as 0.1.")
    settings = opt.settings(manifest, offline=offline)

    from senet_cli.tasks.train.begun import TrainRequest
    from senet_cli.tasks.train.recipe import TrainingOptions
    from senet_cli.tasks.train.service import train as run

    mute_native_code()
    recipe = TrainingOptions(
        epochs=epochs,
        batch_size=batch_size,
        rate=lr,
        seed=seed,
        augment=augment,
        precision=precision,
        freeze=freeze,
        deterministic=deterministic or None,
        optimiser=optimizer,
        balance=balance,
        probe=probe,
        patience=patience,
    )
    request = TrainRequest(
        output=output,
        data=data,
        recipe=recipe,
        architecture=arch,
        origin=origin,
        teachers=tuple(teacher) if teacher else None,
        se=False if no_se else None,
        resume=resume,
        device=device,
        jobs=opt.asked_threads(jobs),
        threads=opt.asked_threads(threads),
        parts=False if no_parts else None,
        empty_classes=allow_empty_classes or None,
        command=("senet", *sys.argv[1:]),
    )
    from senet_cli.cli.reporter import ConsoleReporter

    with ConsoleReporter(quiet=quiet) as console:
        kept = _Kept(console)
        try:
            trained = run(request, settings, kept)
        except (KeyboardInterrupt, Terminated):
            console.close()
            for line in kept.words(output):
                say(line, "yellow")
            raise
    with open_output(None) as out:
        checkpoint = trained.checkpoint
        top1 = f"{checkpoint.metrics[0].top1:g}" if checkpoint.metrics else ""
        out.write(f"{output}\t{top1}\n")
    for line in _ended(output, trained, Catalogue.load(settings).spelling_of(output)):
        note(line, quiet=quiet)


class _Kept:
    """Passes events on, and remembers what a run has kept so far.

    Args:
        reporter: shows them.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._done: int | None = None
        self._epochs = 0

    def report(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, TrainingPrepared):
            self._done, self._epochs = event.first_epoch - 1, event.epochs
        elif isinstance(event, EpochFinished):
            self._done = event.number
        self._reporter.report(event)

    def words(self, output: Path) -> list[str]:
        """Say what is kept and how to go on; nothing where training had not begun."""
        if self._done is None:
            return []
        again = f"`senet train --resume -o {shlex.quote(str(output))}`"
        if self._done == 0:
            return [f"Interrupted before an epoch was finished: {again} begins again, as you asked for it."]
        return [
            f"Interrupted after {self._done} of {self._epochs} epochs. "
            f"They are in {output}; {again} continues.",
            "The model as it is now can be used already, by every command that takes the run.",
        ]


def _ended(output: Path, trained: Trained, spelled: str) -> list[str]:
    """Say how good the model is, what a colleague needs, and what to type next."""
    lines = []
    if right := trained.right:
        low, high = right.interval
        lines.append(
            f"Held-out accuracy {right.percent:.0f} % ({right.right:,} of {right.of:,}; "
            f"95 % interval {low:.0f} to {high:.0f} %)"
        )
    name = trained.checkpoint.name
    run, file = shlex.quote(spelled), f"{name}.zip"
    there = import_command(file, name, name_elsewhere(name))
    return [
        *lines,
        f"how it went: {output / 'curves.png'}",
        f"try: senet predict -m {run} PHOTO",
        f"for a colleague: senet export {run} --to zip -o {shlex.quote(file)}; there: {there}",
    ]
