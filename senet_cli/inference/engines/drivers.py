"""Whether this machine may have a GPU, found out without PyTorch, whose import takes a second and more."""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path

_CUDA = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_ROCM = Path("/dev/kfd")


def may_have_gpu() -> bool:
    """Return False if PyTorch certainly finds no GPU here: no driver, or one that has no device for us."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return _ROCM.exists() or _cuda_devices() > 0


def _cuda_devices() -> int:
    """Count the devices of NVIDIA's driver, with CUDA_VISIBLE_DEVICES applied; 0 without a driver."""
    try:
        driver = ctypes.CDLL(_CUDA)
        count = ctypes.c_int(0)
        failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else count.value
