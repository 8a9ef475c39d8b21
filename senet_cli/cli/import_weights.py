"""`senet import`: give your own weights a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senet_cli.catalogue.activation import Activation
from senet_cli.cli import options as opt
from senet_cli.cli.console import megabytes, note
from senet_cli.cli.help import GENERAL, MODEL
from senet_cli.errors import UsageError
from senet_cli.output.base import open_output

if TYPE_CHECKING:
    from senet_cli.tasks.import_weights import Imported

EXAMPLES = (
    "senet import finetuned.pth --name pets --arch seresnet50 --labels pets.txt",
    "senet import finetuned.safetensors --name pets --arch seresnet50 --preprocess-from seresnet50.a2",
    "senet import runs/pets --name pets && senet predict photos/ -m pets",
    "senet import pets.zip",
)
FIRST = ("name", "arch", "labels", "preprocess_from", "remove")
_SHOWN_LABELS = 3


def import_(
    origin: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE|RUN",
            help="Weights (PyTorch or safetensors), the folder of a training run, or a model in a .zip.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What to call the model.",
            show_default="as a run or .zip calls it",
            rich_help_panel=MODEL,
        ),
    ] = None,
    arch: Annotated[
        str | None, opt.architecture_option("The architecture; needed where the file alone does not tell it.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Names of the classes: one a line, JSON (a list, class_to_idx, id2label), or a label set "
            "such as imagenet-1k.",
            show_default="the usual ones if their number fits, else numbers",
            rich_help_panel=MODEL,
        ),
    ] = None,
    preprocess_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|RUN",
            autocompletion=opt.complete_model,
            help="Preprocess as for this model, such as the one it was fine-tuned from.",
            show_default="what is usual for the architecture",
            rich_help_panel=MODEL,
        ),
    ] = None,
    weights_key: opt.WeightsKeyOption = None,
    activation: Annotated[Activation | None, opt.activation_option("as the run has it, else softmax")] = None,
    image_size: Annotated[
        int | None,
        opt.image_size_option(
            "Side of the crop in pixels; the ratio of resizing to crop stays the usual one.",
            "as the run or --preprocess-from has it, else what is usual for the architecture",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a model of this name, or take precedence over a published one.",
            rich_help_panel=GENERAL,
        ),
    ] = False,
    remove: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=opt.complete_imported,
            help="Delete an imported model instead.",
            show_default=False,
            rich_help_panel=GENERAL,
        ),
    ] = None,
    manifest: opt.ManifestOption = None,
    quiet: opt.QuietOption = False,
) -> None:
    """Import your own weights as a model that every command knows by name.

    The file is checked and copied as safetensors to your models folder (SENET_MODELS), which no cache command
    touches. Prints the name and that folder, separated by a tab.
    """
    from senet_cli.cli.reporter import ConsoleReporter

    settings = opt.settings(manifest)
    others = (origin, name, arch, labels, preprocess_from, image_size, weights_key, activation, force or None)
    if remove is not None:
        if any(option is not None for option in others):
            raise UsageError("`--remove NAME` only removes", "Give it alone.")
        from senet_cli.tasks.import_weights import remove_model

        with ConsoleReporter(quiet=quiet) as reporter:
            freed = remove_model(remove, settings, reporter)
        note(f"{megabytes(freed)} freed", quiet=quiet)
        return
    if origin is None:
        raise UsageError(
            "say what to import and what to call it", "senet import FILE --name NAME; see `senet import -h`."
        )
    from senet_cli.tasks.import_weights import ImportRequest, import_model

    request = ImportRequest(
        origin, name, arch, labels, preprocess_from, image_size, force, weights_key, activation
    )
    with open_output(None) as out, ConsoleReporter(quiet=quiet, details=True) as reporter:
        imported = import_model(request, settings, reporter)
        _tell(imported, given=labels is not None, quiet=quiet)
        out.write(f"{imported.checkpoint.name}\t{imported.folder}\n")


def _tell(imported: Imported, *, given: bool, quiet: bool) -> None:
    """Show what was found out, for people to object to."""
    from senet_cli.catalogue.traits import preprocess_in_words, structure_in_words

    checkpoint, labels = imported.checkpoint, imported.labels.labels
    architecture = checkpoint.architecture
    shown = ", ".join(labels[:_SHOWN_LABELS]) + (", ..." if len(labels) > _SHOWN_LABELS else "")
    guessed = "" if given else "; --labels FILE names them otherwise"
    for text in (
        f"{architecture.key}: {structure_in_words(architecture.spec)}",
        f"key names as in the layout {imported.layout}",
        f"{len(labels):,} classes: {shown}{guessed}",
        preprocess_in_words(checkpoint.preprocess),
        f"try: senet predict -m {checkpoint.name} PHOTO",
    ):
        note(text, quiet=quiet)
