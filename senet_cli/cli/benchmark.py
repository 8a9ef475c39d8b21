"""`senet benchmark`: how fast models are on this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note, telling_files, terminal_width, warn
from senet_cli.cli.help import INPUT, SPEED
from senet_cli.errors import UsageError
from senet_cli.inference.engines.base import PRECISIONS, Precision
from senet_cli.output.base import check_output, open_output
from senet_cli.output.endings import report_format_of
from senet_cli.output.text import encodable_json, fitted, printable, wrapped

if TYPE_CHECKING:
    from senet_cli.tasks.benchmark.service import Row

EXAMPLES = (
    "senet benchmark seresnet50 --engine all --precision fp32,bf16",
    "senet benchmark seresnet50 seresnext50 --batch 1,4,16 --images photos/ --format json",
)
FIRST = ("engine", "device", "precision", "batch_size", "images")
_WORDS = ("model", "engine", "device", "precision")
_NUMBERS = ("size", "batch", "images/s", "least", "most", "ms a batch", "90 %", "99 %")


def _batches(text: str) -> tuple[int | None, ...]:
    return tuple(dict.fromkeys(opt.auto_or_count(part.strip()) for part in text.split(",")))


def _precisions(text: str) -> tuple[Precision, ...]:
    return tuple(_precision(part.strip()) for part in text.split(","))


def _precision(text: str) -> Precision:
    for precision in PRECISIONS:
        if text == precision:
            return precision
    raise typer.BadParameter(f"takes {', '.join(PRECISIONS)} or several of these, not `{text}`")


def benchmark(
    names: opt.NamesRequired,
    engine: Annotated[
        Literal["auto", "torch", "openvino", "all"],
        typer.Option(
            envvar="SENET_ENGINE",
            help="What runs the network; all: everything that drives the device.",
            rich_help_panel=SPEED,
        ),
    ] = "auto",
    device: opt.DeviceOption = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="fp32|bf16|fp16[,...]",
            envvar="SENET_PRECISION",
            callback=opt.checked(_precisions),
            help="Number formats of the network.",
            rich_help_panel=SPEED,
        ),
    ] = "fp32",
    batch_size: Annotated[
        str,
        typer.Option(
            "--batch-size",
            "--batch",
            metavar="auto|N[,...]",
            envvar="SENET_BATCH_SIZE",
            callback=opt.checked(_batches),
            help="Images at once; auto: as many as `senet predict` takes.",
            rich_help_panel=SPEED,
        ),
    ] = "auto,1,8,32",
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Measure from image files (the first 1000) to predictions too.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    jobs: opt.JobsOption = "auto",
    threads: opt.ThreadsOption = "auto",
    format: opt.ReportFormatOption = None,  # noqa: A002 - the name of the option
    output: opt.ReportOption = None,
    image_size: opt.ImageSizeOption = None,
    recipe: opt.RecipeOption = "default",
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Measure how fast models are here: the engine alone, one photograph from a cold start, and memory.

    Each case runs in a process of its own: a warm-up, then five runs. Close other programs first; images/s
    is the median, beside the slowest and the fastest run.
    """
    decoding, size = opt.decoding_threads(jobs), opt.input_size(image_size, recipe)
    if images is not None and not os.path.isdir(images):  # noqa: PTH112 - False where one may not look
        raise UsageError(f"`{images}` is not a folder", "Give --images a folder of images.")
    settings = opt.settings(manifest, offline=offline)
    inputs = [path for name in names for path in opt.named_files(name, settings.manifest)]
    check_output(output, inputs)
    style = format or report_format_of(output)
    mute_native_code()

    from senet_cli.tasks.benchmark.service import BenchmarkRequest, machine
    from senet_cli.tasks.benchmark.service import benchmark as run

    request = BenchmarkRequest(
        tuple(dict.fromkeys(names)),
        engine,
        device,
        _precisions(precision),
        _batches(batch_size),
        images,
        decoding,
        size,
        opt.asked_threads(threads),
    )
    rows: list[Row] = []
    from senet_cli.cli.reporter import ConsoleReporter

    with (
        open_output(output, inputs, tell=warn, wrote=telling_files(quiet=quiet)) as out,
        ConsoleReporter(quiet=quiet, details=True) as reporter,
    ):
        try:
            for row in run(request, settings, reporter):
                rows.append(row)
                note(_told(row), quiet=quiet)
        finally:  # what was measured before an error or Ctrl-C
            if rows:
                width = terminal_width(sys.stdout) if output is None else None
                out.write(
                    _json(rows, machine()) if style == "json" else benchmark_table(rows, machine(), width)
                )


def _told(row: Row) -> str:
    measured, case = row.measured, row.case
    unreadable = f", {measured.unreadable} images that cannot be read" if measured.unreadable else ""
    return (
        f"{measured.model}, {case.engine} {case.precision}, batch {measured.batch}: "
        f"{_rate(measured.images_per_second)} images/s{unreadable}"
    )


def benchmark_table(rows: list[Row], facts: dict[str, Any], width: int | None = None) -> str:
    """Write rows as a table, over the whole width if one is given, and what they were measured on below."""
    decoding = any(row.measured.decoding_images_per_second for row in rows)
    head = [*_WORDS, *_NUMBERS, *(["with decoding"] if decoding else []), "MB", "one photo, s"]
    body = [_cells(row, decoding=decoding) for row in rows]
    numeric = [title not in _WORDS for title in head]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    gpus = dict.fromkeys(row.measured.gpu for row in rows if row.measured.gpu)
    machine = ", ".join([f"{facts['processor']}, {facts['processors']} processors", *gpus])
    about = f"{machine}, {versions}, {facts['date']}"
    below = "\n".join(wrapped(about, width)) if width else about
    return f"{fitted([head, *body], numeric, width)}\n{below}\n"


def _cells(row: Row, *, decoding: bool) -> list[str]:
    measured, case = row.measured, row.case
    rates, peak = measured.images_per_second, measured.peak_memory
    return [
        printable(measured.model),
        case.engine,
        case.device,
        case.precision,
        str(measured.image_size),
        str(measured.batch),
        *(_rate([rate]) for rate in (_median(rates), min(rates), max(rates))),
        *("" if seconds is None else f"{1000 * seconds:.1f}" for seconds in measured.batch_seconds),
        *([_rate(measured.decoding_images_per_second)] if decoding else []),
        "" if peak is None else f"{peak / 1e6:.0f}",
        f"{_median(row.start_seconds):.2f}",
    ]


def _median(values: Sequence[float]) -> float:
    from statistics import median

    return median(values)


def _rate(rates: Sequence[float]) -> str:
    return f"{_median(rates):.1f}" if rates else ""


def _json(rows: list[Row], facts: dict[str, Any]) -> str:
    results = [
        {
            **asdict(row.case),
            **asdict(row.measured),
            "start_seconds": row.start_seconds,
            "images_per_second_median": _median(row.measured.images_per_second),
        }
        for row in rows
    ]
    text = json.dumps({"schema": 1, "machine": facts, "results": results}, indent=1, ensure_ascii=False)
    return encodable_json(text) + "\n"
