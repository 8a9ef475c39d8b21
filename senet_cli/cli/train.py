"""`senet train`: train a network on your own images."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note
from senet_cli.errors import UsageError
from senet_cli.inference.engines.base import check_device
from senet_cli.output.base import open_output

EPILOG = """Examples:

  senet train pets/ --from seresnet50 -o runs/pets && senet predict -m runs/pets photo.jpg

  senet train cifar-10-batches-py --arch seresnet20-cifar --epochs 100 -o runs/cifar
"""
_MAX_SEED = 2**32 - 1


def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of class folders (or with train/ and val/), a tar of one, or CIFAR's batches.",
            show_default=False,
        ),
    ],
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
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|RUN",
            autocompletion=opt.complete_model,
            help="Learn from this model's answers too; it must know the same classes. May be given again.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="RUN", help="Folder for the finished model.")
    ] = Path("run"),
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Passes over the training images.")] = 30,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in -o, if there is one.")
    ] = False,
    no_se: Annotated[
        bool, typer.Option("--no-se", help="Leave out the SE modules: the plain twin, for comparison.")
    ] = False,
    freeze: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="With --from: keep the stem and the first N stages as they are."
        ),
    ] = 0,
    augment: Annotated[
        Literal["standard", "scale", "cutmix", "none"],
        typer.Option(
            help="standard: shift and mirror; scale: also zoom, light and colour; cutmix: also patches of "
            "other images."
        ),
    ] = "standard",
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Images for one step.")] = 128,
    lr: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            metavar="RATE",
            help="Highest learning rate.",
            show_default="0.1 for 128 images, with --from 0.01; more for larger batches",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=_MAX_SEED, metavar="N", help="Seed of weights, order and augmentation.")
    ] = 0,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(help="Number format; auto takes bf16 where the processor calculates in it."),
    ] = "auto",
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="Refuse operations whose result varies from run to run (GPUs)."),
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda[:N]|mps", envvar="SENET_DEVICE", help="Where to train.")
    ] = "auto",
    jobs: opt.JobsOption = "auto",
    no_parts: opt.NoPartsOption = False,
    allow_empty_classes: opt.EmptyClassesOption = False,
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Train a network on your own images, from scratch or from a pretrained model.

    Leaves model.safetensors, model.json, log.csv and curves.png in RUN; then `senet predict -m RUN` works. A
    run that was killed goes on with --resume. Without a part to measure with (val/ or test/), a tenth of
    each class is held back.
    """
    if (arch is None) == (origin is None):
        problem = "no starting point" if arch is None else "two starting points"
        raise UsageError(problem, "Give one of `--arch KEY` and `--from NAME`.")
    if origin is not None and no_se:
        raise UsageError("`--no-se` needs random weights", "Use it with `--arch`.")
    if freeze and origin is None:
        raise UsageError("`--freeze` keeps trained weights", "Use it with `--from`.")
    check_device(device)
    if lr is not None and not math.isfinite(lr):
        raise UsageError(f"the learning rate is {lr}", "Give a number such as 0.1.")
    workers = opt.decoding_threads(jobs)
    settings = opt.settings(manifest, offline=offline)

    from senet_cli.tasks.train.recipe import RecipeOptions
    from senet_cli.tasks.train.service import TrainRequest
    from senet_cli.tasks.train.service import train as run

    mute_native_code()
    recipe = RecipeOptions(
        epochs=epochs,
        batch_size=batch_size,
        rate=lr,
        seed=seed,
        augment=augment,
        precision=precision,
        freeze=freeze,
        deterministic=deterministic,
    )
    request = TrainRequest(
        data=data,
        output=output,
        recipe=recipe,
        architecture=arch,
        origin=origin,
        teachers=tuple(teacher or ()),
        se=not no_se,
        resume=resume,
        device=device,
        jobs=workers,
        parts=not no_parts,
        empty_classes=allow_empty_classes,
        command=("senet", *sys.argv[1:]),
    )
    from senet_cli.cli.reporter import ConsoleReporter

    with ConsoleReporter(quiet=quiet) as reporter:
        checkpoint = run(request, settings, reporter)
    with open_output(None) as out:
        top1 = f"{checkpoint.metrics[0].top1:g}" if checkpoint.metrics else ""
        out.write(f"{output}\t{top1}\n")
    spelled = Catalogue.load(settings).spelling_of(output)
    note(f"try: senet predict -m {spelled} PHOTO", quiet=quiet)
