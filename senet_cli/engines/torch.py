"""The torch engine: any device that PyTorch drives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from senet_cli.engines.base import DeviceFacts, EngineName, Precision
from senet_cli.errors import DeviceError
from senet_cli.manifest.entries import Preprocess
from senet_cli.models.network import SENetwork

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device_facts() -> DeviceFacts:
    """What PyTorch can drive on this machine."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return DeviceFacts(cuda=cuda, mps=torch.backends.mps.is_available())


class TorchEngine:
    """A network on a device, in evaluation mode.

    Args:
        network: float32, on the CPU; it is moved.
        preprocess: for mean and std.
        device: a resolved device.
        precision: number format of weights and activations; results are float32.

    Raises:
        DeviceError: the device has no room for the network.
    """

    name: EngineName = "torch"
    streams = 1

    def __init__(self, network: SENetwork, preprocess: Preprocess, device: str, precision: Precision) -> None:
        self.device = device
        self._dtype = _DTYPES[precision]
        if device.startswith("cuda"):  # by default convolutions would run in TF32, 10 bits of mantissa
            torch.backends.cudnn.allow_tf32 = False
        with _device_errors(device):
            network.eval().to(device, self._dtype)
            self._network = network.to(memory_format=torch.channels_last)
            shape = (1, 3, 1, 1)
            self._mean = torch.tensor(preprocess.mean, device=device).reshape(shape)
            self._std = torch.tensor(preprocess.std, device=device).reshape(shape)

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pixels (N, H, W, 3), RGB 0..255 -> logits (N, classes)."""
        return self._run(self._network, pixels)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pixels (N, H, W, 3), RGB 0..255 -> pooled features (N, channels)."""
        return self._run(self._network.features, pixels)

    @torch.inference_mode()
    def _run(self, function: Callable[[Tensor], Tensor], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with _device_errors(self.device):
            values: NDArray[np.float32] = function(self._normalise(pixels)).float().cpu().numpy()
        return values

    def _normalise(self, pixels: NDArray[np.uint8]) -> Tensor:
        """As torchvision's ToTensor and Normalize, in float32; the memory stays channels-last."""
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float()
        return images.div_(255).sub_(self._mean).div_(self._std).to(self._dtype)


class _device_errors:  # noqa: N801 - reads as a statement
    """Turns what drivers raise into a `DeviceError` with a next step."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, torch.OutOfMemoryError) or _is_out_of_memory(error):
            raise DeviceError(
                f"`{self.device}` is out of memory", "Use a smaller --batch-size, or --device cpu."
            ) from error
        if isinstance(error, torch.AcceleratorError):
            raise DeviceError(f"`{self.device}` failed: {error}", "Try --device cpu.") from error


def _is_out_of_memory(error: BaseException | None) -> bool:
    """The CPU's allocator, MPS and some CUDA libraries tell it in words only."""
    words = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
