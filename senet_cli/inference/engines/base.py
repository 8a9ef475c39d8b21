"""What every engine offers, and the choice of a device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from senet_cli.errors import DeviceError, UsageError, advise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")

EngineName = Literal["torch", "openvino"]
EngineRequest = Literal["auto", "torch", "openvino"]

_CPU_BATCH_WORK = 16e9
"""Multiply-adds of a batch: four images of SE-ResNet-50, OpenVINO's best in docs/benchmarks.md."""
UNLIMITED = 2**31
"""Images in a batch, where no limit was met."""
_MAX_BATCH = {"cpu": 64, "mps": 64, "cuda": 128}


class Engine(Protocol):
    """One network on one device.

    Attributes:
        name: for `-v`.
        device: "cpu", "cuda:0", "mps".
        streams: how many batches may be run at the same time, from threads of their own.
        largest_batch: what the device was found to have room for; larger batches are run in parts.
    """

    name: EngineName
    device: str
    streams: int
    largest_batch: int

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255, not normalised -> logits (N, classes)."""
        ...

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255, not normalised -> pooled features (N, channels)."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What this machine offers.

    Args:
        cuda: number of CUDA devices.
        mps: True if Apple's GPU can be used.
    """

    cuda: int = 0
    mps: bool = False

    def __str__(self) -> str:
        devices = ["cpu", *(f"cuda:{n}" for n in range(self.cuda)), *(["mps"] if self.mps else [])]
        return ", ".join(devices)


def check_device(request: str) -> None:
    """Make sure that a request names a device at all.

    Raises:
        UsageError: it does not.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", request):
        raise UsageError(f"`{request[:80]}` is not a device", "Use auto, cpu, cuda, cuda:N or mps.")


def resolve_device(request: str, facts: DeviceFacts) -> str:
    """Find the device for a request: "auto" takes CUDA, then MPS, then the CPU; others are taken literally.

    Raises:
        UsageError: not the name of a device.
        DeviceError: a device that this machine does not have.
    """
    check_device(request)
    if request == "auto":
        return "cuda:0" if facts.cuda else "mps" if facts.mps else "cpu"
    if request == "mps" and not facts.mps:
        raise _unavailable(request, facts)
    if request.startswith("cuda"):
        number = int(request.partition(":")[2] or 0)
        if number >= facts.cuda:
            raise _unavailable(request, facts)
        return f"cuda:{number}"
    return request


def resolve_engine(request: EngineRequest, device: str, *, openvino: bool) -> EngineName:
    """Find the engine for a resolved device: "auto" takes OpenVINO on a CPU if it is installed.

    Raises:
        UsageError: OpenVINO was asked for and does not drive the device.
        DeviceError: OpenVINO was asked for and is not installed.
    """
    if request == "openvino":
        if device != "cpu":
            raise UsageError(f"the engine `openvino` does not drive `{device}`", advise("use-cpu"))
        if not openvino:
            raise DeviceError(
                "OpenVINO is not installed", "`pip install openvino` installs it.", advise("use-torch")
            )
    if request == "auto":
        return "openvino" if openvino and device == "cpu" else "torch"
    return request


def _unavailable(request: str, facts: DeviceFacts) -> DeviceError:
    return DeviceError(f"the device `{request}` is not available", f"This machine offers {facts}.")


def auto_batch(device: str, multiply_adds: int) -> int:
    """Choose the images in a batch, from 1 on, for a network of that many multiply-adds per image."""
    kind = device.partition(":")[0]
    if kind == "cpu":
        return max(1, min(_MAX_BATCH[kind], round(_CPU_BATCH_WORK / max(1, multiply_adds))))
    return _MAX_BATCH[kind]
