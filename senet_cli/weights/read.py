"""Reading checkpoint files: data only, on the CPU, every tensor accounted for.

Nothing in a file is executed: safetensors and .caffemodel hold no code, and `torch.load` runs with
`weights_only=True`.
For an entry of the manifest the caller has verified the digest before.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from senet_cli.errors import CheckpointError, DiskError
from senet_cli.nets.network import SENetwork, network_from_state
from senet_cli.specs import Spec
from senet_cli.store.archives import is_archive, open_member
from senet_cli.weights.publishers import LAYOUTS, KeyLayout
from senet_cli.weights.publishers.caffe import CaffeLayout, is_caffemodel

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_SHOWN_KEYS = 5
_HOLDS_CODE = re.compile("unsupported (global|class)|torchscript", re.IGNORECASE)
_UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    OverflowError,
    MemoryError,
)
"""What torch's reader raises for damaged files; this module is the one place that catches so much."""


def load_network(path: Path, spec: Spec, layout: KeyLayout) -> SENetwork:
    """The network in `path`, in evaluation mode on the CPU, float32.

    Args:
        path: a safetensors, torch or .caffemodel file.
        spec: the structure that the file must fit exactly.
        layout: whose key names the file uses.

    Raises:
        CheckpointError: not such a file, or tensors missing, left over, misshapen or not finite.
        DiskError: the file cannot be read.
    """
    return network_from_state(spec, to_our_keys(read_tensors(path), spec, layout, path))


def load_own_network(path: Path, spec: Spec) -> SENetwork:
    """As `load_network`, for weights of one's own: layout and number of classes are read off the file."""
    tensors = read_tensors(path)
    layout = recognise_layout(tensors, spec, path)
    head = tensors.get(layout.key("head.weight"))
    if head is not None and head.ndim == 2:
        spec = spec.with_classes(len(head))
    return network_from_state(spec, to_our_keys(tensors, spec, layout, path))


# --- files --------------------------------------------------------------------------------------


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file under the publisher's keys, without wrapper and `module.` prefix.

    Raises:
        CheckpointError: not a readable checkpoint; the message says what the file is instead.
        DiskError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error
    if reason := _not_a_checkpoint(head):
        raise CheckpointError(f"`{path}` is not a checkpoint: {reason}")
    if _is_safetensors(head):
        return _strip_data_parallel(_unwrap(_load_safetensors(path), path))
    if is_caffemodel(head):
        return _load_caffemodel(path)
    return _strip_data_parallel(_unwrap(_load_torch(path), path))


def _not_a_checkpoint(head: bytes) -> str | None:
    text = head.lstrip().lower()
    if not head:
        return "the file is empty"
    if head.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, a text that stands for the file; run `git lfs pull`"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, as a login or error page saved under the file's name"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "it is an HDF5 file, as Keras writes; only PyTorch, safetensors and Caffe files are read"
    if (
        not _is_safetensors(head)
        and not is_caffemodel(head)
        and not head.startswith((b"PK\x03\x04", b"\x80"))
    ):
        return "it is neither a PyTorch nor a safetensors nor a Caffe file"
    return None


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and struct.unpack("<Q", head[:8])[0] < 2**32 and head[8:9] == b"{"


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (SafetensorError, ValueError, OSError) as error:
        raise _damaged(path, error) from error


def _load_caffemodel(path: Path) -> dict[str, Tensor]:
    from senet_cli.weights.caffemodel import read_caffemodel

    return read_caffemodel(path)


def _load_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch warns of is an error here anyway
            if is_archive(path):
                return _load_archived(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        if _HOLDS_CODE.search(str(error)):
            raise CheckpointError(
                f"`{path}` holds more than tensors (pickled code or classes), so it is not loaded",
                "Save its state_dict() with safetensors or torch.save and use that file.",
            ) from error
        raise _damaged(path, error) from error


def _load_archived(path: Path) -> Any:
    with open_member(path, str(path)) as (_, stream):
        held = io.BytesIO(stream.read())
    return torch.load(held, map_location="cpu", weights_only=True)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return CheckpointError(f"`{path}` is damaged or cut short: {first_line[:200]}", "Fetch the file again.")


def _unwrap(data: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(2):  # a wrapper within a wrapper is as deep as published files go
        if not isinstance(data, dict):
            break
        wrapper = next((key for key in _WRAPPERS if isinstance(data.get(key), dict)), None)
        if wrapper is None:
            break
        data = data[wrapper]
    if not isinstance(data, dict) or not data:
        raise CheckpointError(f"`{path}` holds no state dict, but a {type(data).__name__}")
    strangers = [key for key, value in data.items() if not isinstance(value, Tensor)]
    if strangers:
        raise CheckpointError(f"`{path}` holds values that are no tensors: {_some(strangers)}")
    if odd := [key for key, value in data.items() if not _is_plain(value)]:
        raise CheckpointError(f"`{path}` holds tensors that are sparse, quantised or empty: {_some(odd)}")
    return {str(key): value for key, value in data.items()}


def _is_plain(value: Tensor) -> bool:
    """True for numbers in memory: not sparse, not quantised, not without any (meta)."""
    return value.layout == torch.strided and not value.is_quantized and not value.is_meta


def _strip_data_parallel(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if not all(key.startswith("module.") for key in tensors):
        return tensors
    return {key.removeprefix("module."): value for key, value in tensors.items()}


# --- keys and values ----------------------------------------------------------------------------


def expected_shapes(spec: Spec) -> dict[str, torch.Size]:
    """Our key -> shape for every tensor that the network of `spec` holds."""
    with torch.device("meta"):
        return {key: value.shape for key, value in SENetwork(spec).state_dict().items()}


def recognise_layout(tensors: dict[str, Tensor], spec: Spec, path: Path) -> KeyLayout:
    """The layout that explains most keys of the file.

    Raises:
        CheckpointError: none explains even its head.
    """
    ours = [key for key in expected_shapes(spec) if not _is_counter(key)]

    def explained(layout: KeyLayout) -> int:
        return sum(_their_key(layout, key) in tensors for key in ours)

    best = max(LAYOUTS.values(), key=explained)
    if explained(best) < len(ours) // 4:
        raise CheckpointError(
            f"`{path}` names its tensors in no layout that is known ({', '.join(LAYOUTS)}): {_some(tensors)}",
            "Is it the right --arch? `senet list --architectures` shows the keys.",
        )
    return best


def to_our_keys(tensors: dict[str, Tensor], spec: Spec, layout: KeyLayout, path: Path) -> dict[str, Tensor]:
    """The file's tensors under our keys: complete, nothing left over, right shapes, float32, finite.

    Raises:
        CheckpointError: anything else than an exact fit; see `fit_to_keys`.
    """
    state = _as_float(fit_to_keys(tensors, spec, layout, path), path)
    if isinstance(layout, CaffeLayout):
        from senet_cli.weights.caffemodel import to_our_conventions

        return to_our_conventions(state)
    return state


def fit_to_keys(tensors: dict[str, Tensor], spec: Spec, layout: KeyLayout, path: Path) -> dict[str, Tensor]:
    """The file's tensors under our keys: complete, nothing left over, right shapes; numbers not looked at.

    Two spellings of the same numbers are accepted: SE weights as linear maps (2-D) or as 1x1 convolutions
    (4-D), and batch norms with or without their counter of batches (older than PyTorch 0.4.1).

    Raises:
        CheckpointError: anything else than an exact fit.
    """
    rest = dict(tensors)
    state: dict[str, Tensor] = {}
    missing: list[str] = []
    misshapen: list[str] = []
    for key, shape in expected_shapes(spec).items():
        theirs = _their_key(layout, key)
        value = rest.pop(theirs, None) if theirs else None
        if _is_counter(key):
            state[key] = torch.zeros((), dtype=torch.long)
        elif value is None:
            missing.append(theirs or key)
        elif (fitted := _fit(value, shape)) is None:
            misshapen.append(f"{theirs} is {_dims(value.shape)} instead of {_dims(shape)}")
        else:
            state[key] = fitted
    if missing or rest or misshapen:
        raise _misfit(path, spec, layout, missing, list(rest), misshapen)
    return state


def _their_key(layout: KeyLayout, key: str) -> str | None:
    try:
        return layout.key(key)
    except KeyError:
        return None


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _fit(value: Tensor, shape: torch.Size) -> Tensor | None:
    if value.shape == shape:
        return value
    if len(shape) == 2 and value.shape == (*shape, 1, 1):
        return value.reshape(shape)
    return None


def _as_float(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    weights = {key: value for key, value in state.items() if not _is_counter(key)}
    if odd := [f"{key} ({value.dtype})" for key, value in weights.items() if not value.is_floating_point()]:
        raise CheckpointError(f"`{path}` holds weights that are not floating point: {_some(odd)}")
    weights = {key: value.float() for key, value in weights.items()}
    if odd := [key for key, value in weights.items() if not bool(torch.isfinite(value).all())]:
        raise CheckpointError(f"`{path}` holds weights that are infinite or not a number: {_some(odd)}")
    return state | weights


def _misfit(
    path: Path,
    spec: Spec,
    layout: KeyLayout,
    missing: list[str],
    left_over: list[str],
    misshapen: list[str],
) -> CheckpointError:
    if _is_plain_twin(spec, layout, missing, left_over):
        return CheckpointError(
            f"`{path}` has no squeeze-and-excitation weights: it looks like a plain network without them",
            f"Missing: {_some(_keys_of('.se.', spec, layout, missing))}",
        )
    problems = [
        f"{len(keys)} {what}: {_some(keys)}"
        for what, keys in (
            ("missing", missing),
            ("not known", left_over),
            ("of another shape", misshapen),
        )
        if keys
    ]
    return CheckpointError(
        f"`{path}` does not fit the architecture; tensors " + "; ".join(problems),
        "Is it the right --arch? `senet list --architectures` shows the keys.",
    )


def _is_plain_twin(spec: Spec, layout: KeyLayout, missing: list[str], left_over: list[str]) -> bool:
    """True if the convolutions of all blocks are there, but no SE at all, and nothing else that could be it.

    Shortcuts may be missing: some plain CIFAR networks have none with weights.
    """
    gates = {_their_key(layout, key) for key in expected_shapes(spec) if ".se." in key}
    rest = {*missing} - gates - {*_keys_of(".shortcut.", spec, layout, missing)}
    inside = tuple(layout.block_prefix(b.stage, b.block) for b in spec.blocks())
    other = any(key.startswith(inside) for key in (*rest, *left_over))
    return bool(gates) and gates <= {*missing} and not other


def _keys_of(part: str, spec: Spec, layout: KeyLayout, keys: Iterable[str]) -> list[str]:
    """Those of the publisher's `keys` that belong to one part of the blocks."""
    theirs = {_their_key(layout, key) for key in expected_shapes(spec) if part in key}
    return [key for key in keys if key in theirs]


def _some(keys: Iterable[str]) -> str:
    names = list(map(str, keys))
    more = f" and {len(names) - _SHOWN_KEYS} more" if len(names) > _SHOWN_KEYS else ""
    return ", ".join(name[:100] for name in names[:_SHOWN_KEYS]) + more


def _dims(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
