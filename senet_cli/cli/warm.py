"""`senet warm`: get models ready, so that the first prediction is as fast as the next."""

from __future__ import annotations

from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code
from senet_cli.output.base import open_output

EXAMPLES = ("senet warm seresnet50 seresnet101",)


def warm(
    names: opt.NamesRequired,
    image_size: opt.ImageSizeOption = None,
    recipe: opt.RecipeOption = "default",
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Download models and convert them for OpenVINO, ahead of time.

    Prints the name and the folder of each conversion, separated by a tab. What is there is left alone.
    """
    size = opt.input_size(image_size, recipe)
    settings = opt.settings(manifest, offline=offline)
    mute_native_code()
    from senet_cli.cli.reporter import ConsoleReporter
    from senet_cli.tasks.warm import warm as run

    with open_output(None) as out, ConsoleReporter(quiet=quiet, details=True) as reporter:
        for name, folder in run(names, size, settings, reporter):
            out.write(f"{name}\t{folder}\n")
