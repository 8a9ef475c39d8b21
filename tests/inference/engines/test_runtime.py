"""Which engine runs on which device."""

from __future__ import annotations

import pytest

from senet_cli.errors import DeviceError, UsageError
from senet_cli.inference import runtime
from senet_cli.inference.engines import openvino
from senet_cli.inference.engines.base import EngineRequest, auto_batch, resolve_engine
from senet_cli.inference.runtime import resolve_runtime


@pytest.mark.parametrize(
    ("request_", "device", "openvino", "expected"),
    [
        ("auto", "cpu", True, "openvino"),
        ("auto", "cpu", False, "torch"),
        ("auto", "cuda:0", True, "torch"),
        ("auto", "mps", True, "torch"),
        ("torch", "cpu", True, "torch"),
        ("torch", "cuda:1", False, "torch"),
        ("openvino", "cpu", True, "openvino"),
    ],
)
def test_engines(request_: EngineRequest, device: str, openvino: bool, expected: str) -> None:
    assert resolve_engine(request_, device, openvino=openvino) == expected


def test_openvino_drives_no_other_device() -> None:
    with pytest.raises(UsageError, match="cuda:0"):
        resolve_engine("openvino", "cuda:0", openvino=True)


def test_openvino_has_to_be_there() -> None:
    with pytest.raises(DeviceError, match="not installed"):
        resolve_engine("openvino", "cpu", openvino=False)


def test_a_precision_that_the_processor_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for OpenVINO it is told before any work is done; asked for nothing, PyTorch does it."""
    monkeypatch.setattr(runtime, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "calculates", lambda precision: precision == "fp32")
    assert resolve_runtime("openvino", "cpu", "fp32").engine == "openvino"
    assert resolve_runtime("auto", "cpu", "bf16").engine == "torch"
    with pytest.raises(DeviceError, match="bf16"):
        resolve_runtime("openvino", "cpu", "bf16")


def test_batches_are_smaller_for_larger_networks() -> None:
    sizes = [auto_batch("cpu", work) for work in (10**6, 10**9, 4 * 10**9, 10**12)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
