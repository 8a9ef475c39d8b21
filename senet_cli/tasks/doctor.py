"""What senet finds on this machine: versions, engine, processors, folders, settings and the network."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import queue
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

import senet_cli
from senet_cli.catalogue.resolve import Catalogue
from senet_cli.errors import NetworkError, SenetError
from senet_cli.settings import DEFAULT_MODEL, Settings
from senet_cli.store.cache import Cache
from senet_cli.store.transfer import Request, Transport, short
from senet_cli.tasks.cache_contents import cache_contents, free_bytes

Group = Literal["versions", "machine", "folders", "settings", "network", "hosts"]
_PACKAGES = (
    *("torch", "torchvision", "openvino", "numpy", "pillow", "safetensors", "pi-heif"),
    *("typer", "rich", "requests", "urllib3"),
)
_EXTRA = frozenset({"openvino", "pi-heif"})
"""What may be missing."""
_VARIABLES = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)
_COUNTS = frozenset({"SENET_BATCH_SIZE", "SENET_JOBS", "SENET_THREADS"})
_PATIENCE = 10.0
"""Seconds in which a host must deliver the first bytes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        group: what it belongs to.
        name: of it.
        value: what was found, in words.
        fine: False if senet does not work as it should because of it.
    """

    group: Group
    name: str
    value: str
    fine: bool = True


def examine(settings: Settings, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Look at everything but the network. PyTorch is imported only where there may be a GPU."""
    yield from _versions()
    yield from _machine()
    yield from _folders(settings)
    yield from _settings(settings, environment)


def ask_hosts(settings: Settings, transport: Transport, patience: float = _PATIENCE) -> Iterator[Finding]:
    """Ask each host that models come from for the first bytes of one of them, all at once."""
    try:
        asked = _addresses(settings)
    except SenetError as broken:
        yield Finding("hosts", "manifest", broken.message, fine=False)
        return
    answers: queue.SimpleQueue[tuple[str, float, NetworkError | None]] = queue.SimpleQueue()
    for host, (url, _) in asked.items():
        threading.Thread(target=_ask, args=(host, url, transport, answers.put), daemon=True).start()
    until = time.monotonic() + patience
    silent = dict(asked)
    for _ in asked:
        try:
            host, seconds, error = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        url, publishers = silent.pop(host)
        said = f"answers in {seconds:.1f} s"
        if error is not None:
            said = f"does not deliver: {error.message.removeprefix(f'{short(url)}: ')}"
        yield Finding("hosts", host, f"{said}. For {'; '.join(publishers)}", error is None)
    for host, (_, publishers) in silent.items():
        said = f"no answer in {patience:g} s. For {'; '.join(publishers)}"
        yield Finding("hosts", host, said, fine=False)


def without_credentials(address: str) -> str:
    """Hide the user's name and password in an address of a proxy, whatever characters they are of."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.+@", r"\1***@", address, flags=re.DOTALL)


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "senet", f"{senet_cli.__version__} ({Path(senet_cli.__file__).parent})")
    yield Finding("versions", "python", f"{platform.python_version()} ({sys.executable})")
    for package in _PACKAGES:
        try:
            yield Finding("versions", package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding("versions", package, "not installed", package in _EXTRA)


def _machine() -> Iterator[Finding]:
    from senet_cli.images.kinds import heif_is_read
    from senet_cli.inference.processors import affinity, cpu_quota, processor_name, processors

    quota = cpu_quota()
    bounds = f"{affinity()} of {os.cpu_count()} by affinity, " + (
        "no quota" if quota is None else f"a quota of {quota:g}"
    )
    yield Finding("machine", "system", platform.platform())
    yield Finding("machine", "processor", processor_name())
    yield Finding("machine", "processors used", f"{processors()} ({bounds})")
    yield from _engines()
    yield Finding("machine", "HEIC", "read" if heif_is_read() else "not read: `pip install 'senet[heic]'`")


def _engines() -> Iterator[Finding]:
    from senet_cli.graphs.openvino import is_installed
    from senet_cli.inference.engines import openvino
    from senet_cli.inference.engines.base import PRECISIONS
    from senet_cli.inference.engines.drivers import may_have_gpu
    from senet_cli.inference.runtime import resolve_runtime

    try:
        yield Finding("machine", "engine", str(resolve_runtime("auto", "auto", "fp32")))
        if is_installed():
            found = [precision for precision in PRECISIONS if openvino.calculates(precision)]
            yield Finding("machine", "precisions", f"{', '.join(found)} (openvino)")
        names: list[str] = []
        if may_have_gpu():
            from senet_cli.inference.engines.torch import gpu_names

            names = gpu_names()
        yield Finding("machine", "GPU", ", ".join(names) or "none that can be used")
    except (SenetError, ImportError, OSError, RuntimeError) as error:
        said = error.message if isinstance(error, SenetError) else f"{type(error).__name__}: {error}"
        yield Finding("machine", "engine", said, fine=False)


def _folders(settings: Settings) -> Iterator[Finding]:
    try:
        own, *below = cache_contents(settings)
    except SenetError as error:
        yield Finding("folders", "cache", f"{settings.cache}: {error.message}", fine=False)
    else:
        yield Finding("folders", "cache", f"{own.root}, {len(own.held):,} things, {own.size / 1e6:,.1f} MB")
        for each in below:
            there = each.root.is_dir()
            said = f"{len(each.held):,} things, {each.size / 1e6:,.1f} MB" if there else "not there"
            yield Finding("folders", "cache that is only read", f"{each.root}, {said}", there)
    free = free_bytes(settings.cache)
    room = "unknown" if free is None else f"{free / 1e6:,.1f} MB"
    yield Finding("folders", "free for the cache", room)
    writable = _may_be_written(settings.cache)
    yield Finding("folders", "cache can be written", "yes" if writable else "no", writable)
    yield from _default_model(settings)
    if settings.models is not None:
        yield Finding("folders", "imported models", f"{settings.models}, {_imported(settings):,} models")


def _default_model(settings: Settings) -> Iterator[Finding]:
    try:
        checkpoint = Catalogue.load(settings).resolve(DEFAULT_MODEL).checkpoint
        here = Cache.from_settings(settings).holds(checkpoint)
    except SenetError as error:
        yield Finding("folders", "default model", error.message, fine=False)
    else:
        there = "on this machine" if here else "not on this machine yet"
        yield Finding("folders", "default model", f"{checkpoint.name}, {there}")


def _imported(settings: Settings) -> int:
    from senet_cli.store.model_folders import ImportedModels

    return len(ImportedModels.from_settings(settings).names())


def _may_be_written(folder: Path) -> bool:
    """Try to make a file there, or where the folder would be made."""
    place = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _settings(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    import urllib.request

    chosen = sorted(name for name in environment if name.startswith("SENET_"))
    for name in chosen:
        problem = _problem(name, environment[name], settings)
        yield Finding("settings", name, f"{environment[name]}{problem and ': '}{problem}", not problem)
    for name in filter(environment.get, _VARIABLES):
        yield Finding("settings", name, environment[name])
    for scheme, address in sorted(urllib.request.getproxies().items()):
        shown = address if scheme == "no" else without_credentials(address)
        yield Finding("network", "no proxy for" if scheme == "no" else f"proxy for {scheme}", shown)
    yield Finding("network", "offline", "yes" if settings.offline else "no")


def _problem(name: str, value: str, settings: Settings) -> str:
    """Say why senet refuses a setting; empty if it does not, or the settings were read before."""
    from senet_cli.inference.engines.base import PRECISIONS, EngineRequest, check_device

    choices = {"SENET_ENGINE": get_args(EngineRequest), "SENET_PRECISION": PRECISIONS}.get(name)
    if choices and value not in choices:
        return f"not one of {', '.join(choices)}"
    if name in _COUNTS and value != "auto" and not (value.isdecimal() and value.strip("0")):
        return "neither auto nor a whole number from 1 on"
    try:
        if name == "SENET_DEVICE":
            check_device(value)
        elif name == "SENET_MODEL" and value:
            Catalogue.load(settings).resolve(value)
    except SenetError as error:
        return error.message
    return ""


def _addresses(settings: Settings) -> dict[str, tuple[str, list[str]]]:
    """One address of each host, and the publishers whose models it has."""
    found: dict[str, tuple[str, list[str]]] = {}
    for model in Catalogue.load(settings).all():
        for url in (url for file in model.checkpoint.files for url in file.urls):
            if urlsplit(url).scheme == "file":
                continue
            _, publishers = found.setdefault(urlsplit(url).netloc.rpartition("@")[2], (url, []))
            if model.checkpoint.publisher not in publishers:
                publishers.append(model.checkpoint.publisher)
    return found


def _ask(
    host: str,
    url: str,
    transport: Transport,
    tell: Callable[[tuple[str, float, NetworkError | None]], None],
) -> None:
    begun = time.monotonic()
    try:
        with transport.open(Request(url)) as incoming:
            next(iter(incoming.chunks), b"")
    except NetworkError as error:
        tell((host, 0.0, error))
    else:
        tell((host, time.monotonic() - begun, None))
