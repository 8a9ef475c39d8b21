"""Tensors of files as NumPy arrays, so that most files are read without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

State = dict[str, NDArray[Any]]
"""Arrays by name."""


class Unreadable:
    """Stands for a tensor without numbers in memory: sparse, quantised, on the meta device, or derived."""

    __slots__ = ()


def load_safetensors(path: Path) -> State:
    """Read a safetensors file; formats of numbers that NumPy does not know come as float32.

    Raises:
        SafetensorError, ValueError, OSError: it is damaged or cannot be read.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = file.keys()
        if all(file.get_slice(name).get_dtype() in _OF_NUMPY for name in names):
            return {name: file.get_tensor(name) for name in names}
    from senet_cli.weights.pickles import as_arrays

    with safe_open(path, framework="pt") as file:
        return as_arrays({name: file.get_tensor(name) for name in names})


_OF_NUMPY = frozenset(("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"))
"""Names of number formats in safetensors' headers."""
