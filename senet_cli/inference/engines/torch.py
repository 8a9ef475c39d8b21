"""The torch engine: any device that PyTorch drives."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from senet_cli.catalogue.entries import Preprocess
from senet_cli.errors import DeviceError, advise
from senet_cli.inference.engines.base import UNLIMITED, DeviceFacts, EngineName, Precision
from senet_cli.nets.folding import fold_batch_norms
from senet_cli.nets.network import SENetwork
from senet_cli.nets.pixels import PixelNetwork

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MAX_STREAMS = 8
"""More batches at a time would take memory for little; the others of many processors help with these."""
_CUDA_STREAMS = 2
"""One batch is copied while another is calculated."""

Part = Callable[[Tensor], Tensor]
"""Pixels to logits, or to features."""


def device_facts() -> DeviceFacts:
    """Ask PyTorch what it can drive on this machine."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return DeviceFacts(cuda=cuda, mps=torch.backends.mps.is_available())


def gpu_names() -> list[str]:
    """Ask PyTorch what the GPUs that it can drive are called."""
    facts = device_facts()
    names = [f"{gpu_name(device)} ({device})" for device in (f"cuda:{n}" for n in range(facts.cuda))]
    return [*names, "Apple GPU (mps)"] if facts.mps else names


class TorchEngine:
    """A network on a device, in evaluation mode, its batch norms folded.

    On a CPU several batches are calculated side by side, so that no thread waits for another one's share of
    the same batch: waiting threads get in the way of whatever else runs on the machine.

    Args:
        network: float32, on the CPU; it is changed and moved.
        preprocess: for mean and std.
        device: a resolved device.
        precision: number format of weights and activations; results are float32.
        processors: that this process may use.
        latency: True for one batch at a time, on all processors, or as many threads as PyTorch is set to if
            those are fewer.
        exact: True for that many processors, whatever PyTorch is set to.

    Raises:
        DeviceError: the device has no room for the network.
    """

    name: EngineName = "torch"

    def __init__(
        self,
        network: SENetwork,
        preprocess: Preprocess,
        device: str,
        precision: Precision,
        *,
        processors: int = 1,
        latency: bool = False,
        exact: bool = False,
    ) -> None:
        self.device = device
        self.streams, threads = streams_and_threads(device, processors, latency=latency, exact=exact)
        self.largest_batch = UNLIMITED
        self._cuda = device.startswith("cuda")
        if device == "cpu":
            torch.set_num_threads(threads)
        if self._cuda:  # by default convolutions would run in TF32, 10 bits of mantissa
            torch.backends.cudnn.allow_tf32 = False
        fold_batch_norms(network.eval())
        with _device_errors(device):
            self._network = PixelNetwork(network, preprocess, device, _DTYPES[precision])
            self._cuda_streams = _cuda_streams(device, self.streams) if self._cuda else None

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255 -> logits (N, classes)."""
        return self._run(self._network.logits, pixels)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255 -> pooled features (N, channels)."""
        return self._run(self._network.features, pixels)

    def _run(self, part: Part, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """In one go; where the device has no room for that, and from then on, in halves."""
        while True:
            size = min(self.largest_batch, len(pixels))
            try:
                return np.concatenate(
                    [self._calculate(part, pixels[i : i + size]) for i in range(0, len(pixels), size)]
                )
            except _OutOfMemoryError:
                if size == 1:
                    raise
            self.largest_batch = min(self.largest_batch, size // 2)
            if self._cuda:
                torch.cuda.empty_cache()

    @torch.inference_mode()
    def _calculate(self, part: Part, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with _device_errors(self.device), self._stream():
            values: NDArray[np.float32] = part(self._moved(pixels)).float().cpu().numpy()
        return values

    @contextlib.contextmanager
    def _stream(self) -> Iterator[None]:
        """On CUDA a stream of its own for each batch under way, so that copies and calculations overlap."""
        if self._cuda_streams is None:
            yield
            return
        stream = self._cuda_streams.get()
        try:
            with torch.cuda.stream(stream):
                yield
        finally:
            self._cuda_streams.put(stream)

    def _moved(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Bring (N, H, W, 3) to the device, as (N, 3, H, W); the memory stays channels-last."""
        images = torch.from_numpy(pixels)
        if self._cuda:
            images = images.pin_memory()
        return images.to(self.device, non_blocking=self._cuda).permute(0, 3, 1, 2)


def threads_to_use(processors: int, *, exact: bool) -> int:
    """Choose the threads for one batch: all processors, or fewer where PyTorch was set to fewer.

    PyTorch itself asks the system for processors and knows nothing of a container's quota: threads beyond it
    are stopped in turn, while the others wait for them.

    Args:
        processors: that this process may use.
        exact: True where the user said how many.
    """
    return processors if exact else min(torch.get_num_threads(), processors)


def streams_and_threads(
    device: str, processors: int, *, latency: bool, exact: bool = False
) -> tuple[int, int]:
    """Choose how many batches are calculated side by side, and the threads of each on a CPU."""
    if latency:
        return 1, threads_to_use(processors, exact=exact)
    if device == "mps":
        return 1, 1
    if device != "cpu":
        return _CUDA_STREAMS, 1
    threads = -(-processors // _MAX_STREAMS)
    return max(1, processors // threads), threads


def _cuda_streams(device: str, count: int) -> queue.SimpleQueue[torch.cuda.Stream]:
    streams: queue.SimpleQueue[torch.cuda.Stream] = queue.SimpleQueue()
    for _ in range(count):
        streams.put(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)  # the weights were copied on another stream
    return streams


def gpu_name(device: str) -> str:
    """Return the maker's name of a CUDA device."""
    return torch.cuda.get_device_name(device)


def gpu_memory(device: str) -> int:
    """Return the largest number of bytes that PyTorch has held on a CUDA device so far."""
    return torch.cuda.max_memory_reserved(device)


# --- what goes wrong ------------------------------------------------------------------------------


class _OutOfMemoryError(DeviceError):
    """The device has no room for the batch."""


@contextlib.contextmanager
def _device_errors(device: str) -> Iterator[None]:
    """Turn what drivers raise into a `DeviceError` with a next step."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if _is_out_of_memory(error):
            raise _OutOfMemoryError(f"`{device}` is out of memory", advise("smaller-batch-or-cpu")) from error
        if isinstance(error, torch.AcceleratorError):
            raise DeviceError(f"`{device}` failed: {error}", advise("use-cpu")) from error
        raise


def _is_out_of_memory(error: BaseException) -> bool:
    """Recognise it by words too: the CPU's allocator, MPS and some CUDA libraries have nothing else."""
    words = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
    told = any(word in str(error) for word in words)
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)
