"""`senet warm`: get models ready, so that the first prediction is as fast as the next."""

from __future__ import annotations

from contextlib import closing

from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note
from senet_cli.cli.download_progress import DownloadNotices
from senet_cli.output.base import open_output

EPILOG = """Example:

  senet warm seresnet50 seresnet101
"""


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
    from senet_cli.inference.classifier import find_model
    from senet_cli.inference.runtime import convert, resolve_runtime

    runtime = resolve_runtime("openvino", "cpu", "fp32")
    with open_output(None) as out, closing(DownloadNotices(quiet=quiet)) as notices:
        for name in names:
            model = find_model(name, settings, notices, runtime=runtime, size=size)
            converted = convert(model.weights, settings, lambda text: note(text, quiet=quiet))
            out.write(f"{model.name}\t{converted.folder}\n")
