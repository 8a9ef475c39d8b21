"""Models as every command finds them."""

from __future__ import annotations

from pathlib import Path

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.catalogue.resolve import Catalogue, KnownModel, ModelRef
from senet_cli.inference.models import RunnableModel, load_torch_network
from senet_cli.inference.resolve import Resolver
from senet_cli.nets.network import SENetwork
from senet_cli.settings import Settings


def known(name: str, extra: Path | None = None, models: Path | None = None) -> KnownModel:
    return Catalogue(load_manifest(extra, models)).resolve(name)


def runnable(name: str) -> RunnableModel:
    return Resolver.load(Settings.from_environment()).choose(ModelRef.parse(name))


def network_of(name: str) -> SENetwork:
    return load_torch_network(runnable(name))
