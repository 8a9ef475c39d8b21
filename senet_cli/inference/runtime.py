"""Which engine runs on which device."""

from __future__ import annotations

from dataclasses import dataclass

from senet_cli.errors import DeviceError, advise
from senet_cli.graphs.openvino import is_installed
from senet_cli.inference.engines import openvino
from senet_cli.inference.engines.base import (
    DeviceFacts,
    EngineName,
    EngineRequest,
    Precision,
    check_device,
    resolve_device,
    resolve_engine,
)
from senet_cli.inference.engines.drivers import may_have_gpu
from senet_cli.inference.processors import processors


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a network runs on.

    Args:
        engine, device, precision: as resolved.
        processors: how many the engine may use.
        exact: True if the user said how many; else PyTorch may have been set to fewer.
        latency: True where single images count: all processors work on one batch; else one batch each.
    """

    engine: EngineName
    device: str
    precision: Precision
    processors: int
    latency: bool = False
    exact: bool = False

    def __str__(self) -> str:
        return f"{self.engine} on {self.device}, {self.precision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeOptions:
    """What a user asks for: where and how a network runs.

    Args:
        engine, device, precision: as the options of these names.
        batch_size: images in a batch; None: what suits network and device.
        jobs: decoding threads.
        threads: processors that the engine calculates with; None: all that this process may use.
    """

    engine: EngineRequest = "auto"
    device: str = "auto"
    precision: Precision = "fp32"
    batch_size: int | None = None
    jobs: int = 2
    threads: int | None = None

    def resolve(self, *, latency: bool = False) -> Runtime:
        """Choose what to run on; see `resolve_runtime`."""
        return resolve_runtime(
            self.engine, self.device, self.precision, latency=latency, threads=self.threads
        )


def resolve_runtime(
    engine: EngineRequest,
    device: str,
    precision: Precision,
    *,
    latency: bool = False,
    threads: int | None = None,
) -> Runtime:
    """Decide what to run on, from what was asked for and what this machine has.

    PyTorch is imported only where there may be a GPU or one was asked for.

    Raises:
        UsageError: no such device, or an engine that does not drive it.
        DeviceError: a device, engine or precision that this machine does not have.
    """
    check_device(device)
    if engine == "openvino":  # which no other device can run
        resolved = "cpu" if device == "auto" else device
    else:
        resolved = resolve_device(device, _facts(device))
    name = resolve_engine(engine, resolved, openvino=is_installed())
    if name == "openvino" and not openvino.calculates(precision):
        if engine == "openvino":
            raise DeviceError(
                f"this processor does not calculate in {precision}",
                advise("use-fp32"),
            )
        name = "torch"
    exact = threads is not None
    return Runtime(name, resolved, precision, threads or processors(), latency, exact)


def _facts(device: str) -> DeviceFacts:
    if device == "cpu" or (device == "auto" and not may_have_gpu()):
        return DeviceFacts()
    from senet_cli.inference.engines.torch import device_facts

    return device_facts()
