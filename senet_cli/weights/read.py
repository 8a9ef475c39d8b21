"""Reading checkpoint files: data only, on the CPU, every tensor accounted for.

Nothing in a file is executed: safetensors and .caffemodel hold no code, and `torch.load` runs with
`weights_only=True` (`weights.pickles`). What a file holds is unwrapped by `weights.unwrap`.
For an entry of the manifest the caller has verified the digest before.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from senet_cli.errors import CheckpointError, DiskError, advise
from senet_cli.graphs.parameters import expected_shapes
from senet_cli.specs import Spec
from senet_cli.store.archives import is_archive, open_member
from senet_cli.weights import pickles
from senet_cli.weights.arrays import State, load_safetensors
from senet_cli.weights.formats import (
    HEAD_BYTES,
    check_folder,
    foreign_file,
    foreign_pickle,
    is_safetensors,
)
from senet_cli.weights.publishers import LAYOUTS, KeyLayout
from senet_cli.weights.publishers.caffe import CaffeLayout, is_caffemodel
from senet_cli.weights.taken import Taken
from senet_cli.weights.unwrap import Weights, some, weights_in

_ADVICE = "weights_only"
"""A word of PyTorch's advice, which no other error has."""
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


@dataclass(frozen=True, slots=True)
class NetworkState:
    """The tensors of a whole network.

    Args:
        spec: the structure that they fit, with the file's number of classes.
        state: under our names, float32, finite.
        taken: which of the file's weights they are; None for files that hold one set.
    """

    spec: Spec
    state: State
    taken: Taken | None = None


def read_network(path: Path, spec: Spec, layout: KeyLayout) -> NetworkState:
    """Read the network in `path`.

    Args:
        path: a safetensors, torch or .caffemodel file.
        spec: the structure that the file must fit exactly.
        layout: whose key names the file uses.

    Raises:
        CheckpointError: not such a file, or tensors missing, left over, misshapen or not finite.
        DiskError: the file cannot be read.
    """
    return NetworkState(spec, to_our_keys(read_tensors(path), spec, layout, path))


def read_own(path: Path, spec: Spec, key: str | None = None) -> NetworkState:
    """Read weights of your own: layout and number of classes are read off the file.

    Args:
        path: a safetensors, torch or .caffemodel file.
        spec: the structure, with any number of classes.
        key: which of the file's sets of weights to take; None: the preferred one.

    Raises:
        CheckpointError: as `read_network`.
        DiskError: the file cannot be read.
        UsageError: the file holds no set `key`.
    """
    weights = read_weights(path, key)
    tensors = weights.tensors
    layout = recognise_layout(tensors, spec, path)
    head = tensors.get(layout.key("head.weight"))
    if head is not None and head.ndim == 2:
        spec = spec.with_classes(len(head))
    return NetworkState(spec, to_our_keys(tensors, spec, layout, path), weights.taken)


# --- files --------------------------------------------------------------------------------------


def read_tensors(path: Path, key: str | None = None) -> State:
    """Read the tensors of a file's weights; see `read_weights`."""
    return read_weights(path, key).tensors


def read_weights(path: Path, key: str | None = None) -> Weights:
    """Read one set of weights of a file, under the publisher's keys, without wrappers and their names.

    Args:
        path: a safetensors, torch or .caffemodel file.
        key: which of the file's sets of weights to take; None: the preferred one, see `weights.unwrap`.

    Raises:
        CheckpointError: not a readable checkpoint; the message says what the file is instead.
        DiskError: the file cannot be read.
        UsageError: the file holds no set `key`.
    """
    if os.path.isdir(path):  # noqa: PTH112 - False where one may not look
        check_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        foreign = foreign_file(path, head)
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error
    if foreign:
        raise foreign.refusal(path)
    if is_safetensors(head):
        return weights_in(_load_safetensors(path), path, key)
    if is_caffemodel(head):
        return weights_in(_load_caffemodel(path), path, key)
    return weights_in(_load_torch(path), path, key)


def _load_safetensors(path: Path) -> State:
    from safetensors import SafetensorError

    try:
        return load_safetensors(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise _damaged(path, error) from error


def _load_caffemodel(path: Path) -> State:
    from senet_cli.weights.caffemodel import read_caffemodel

    return read_caffemodel(path)


def _load_torch(path: Path) -> Any:
    source: Path | IO[bytes] = path
    try:
        if is_archive(path):
            with open_member(path, str(path)) as (_, stream):
                source = io.BytesIO(stream.read())
        return pickles.load_arrays(source)
    except _UNREADABLE as error:
        raise _refused(path, source, error) from error


def _refused(path: Path, source: Path | IO[bytes], error: Exception) -> CheckpointError:
    """Why PyTorch's safe reader takes no file, without its advice to use the unsafe one."""
    names = pickles.refused_names(source, error)
    if foreign := foreign_pickle(names):
        return foreign.refusal(path)
    if names:
        return CheckpointError(
            f"`{path}` holds more than tensors (pickled code or classes), so it is not loaded: {some(names)}",
            "Save its state_dict() with safetensors or torch.save and use that file.",
        )
    protocol = pickles.torch_protocol(source)
    if protocol is not None and protocol > 2:
        return CheckpointError(
            f"`{path}` was saved with protocol {protocol} of pickle, of which PyTorch reads only 2 without "
            "running code",
            "Where you trust it, load it and save its state_dict() with torch.save as it is, or safetensors.",
        )
    return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"`{path}` is damaged or cut short: {_reason(error)[:200]}", "Fetch the file again."
    )


def _reason(error: Exception) -> str:
    """Take the first line of an error; of PyTorch's refusals only the fact: the rest advises to trust it."""
    text = str(error).strip()
    if _ADVICE in text:
        fact = text.partition("WeightsUnpickler error:")[2].strip()
        text = "" if _ADVICE in fact.partition("\n")[0] else fact
        text = text or "its pickle is not as torch.save writes it"
    return text.splitlines()[0] if text else type(error).__name__


# --- keys and values ----------------------------------------------------------------------------


def recognise_layout(tensors: State, spec: Spec, path: Path) -> KeyLayout:
    """Find the layout that explains most keys of the file.

    Raises:
        CheckpointError: none explains even its head.
    """
    ours = [key for key in expected_shapes(spec) if not _is_counter(key)]

    def explained(layout: KeyLayout) -> int:
        return sum(_their_key(layout, key) in tensors for key in ours)

    best = max(LAYOUTS.values(), key=explained)
    if explained(best) < len(ours) // 4:
        raise CheckpointError(
            f"`{path}` names its tensors in no layout that is known ({', '.join(LAYOUTS)}): {some(tensors)}",
            advise("check-architecture"),
        )
    return best


def to_our_keys(tensors: State, spec: Spec, layout: KeyLayout, path: Path) -> State:
    """Put the file's tensors under our keys: complete, nothing left over, right shapes, float32, finite.

    Raises:
        CheckpointError: anything else than an exact fit; see `fit_to_keys`.
    """
    state = _as_float(fit_to_keys(tensors, spec, layout, path), path)
    if isinstance(layout, CaffeLayout):
        from senet_cli.weights.caffemodel import to_our_conventions

        return to_our_conventions(state)
    return state


def fit_to_keys(tensors: State, spec: Spec, layout: KeyLayout, path: Path) -> State:
    """Put the file's tensors under our keys: complete, nothing left over, right shapes; numbers unchecked.

    Two spellings of the same numbers are accepted: SE weights as linear maps (2-D) or as 1x1 convolutions
    (4-D), and batch norms with or without their counter of batches (older than PyTorch 0.4.1). The counters,
    which no calculation needs, are left out.

    Raises:
        CheckpointError: anything else than an exact fit.
    """
    rest = dict(tensors)
    state: State = {}
    missing: list[str] = []
    misshapen: list[str] = []
    for key, shape in expected_shapes(spec).items():
        theirs = _their_key(layout, key)
        value = rest.pop(theirs, None) if theirs else None
        if _is_counter(key):
            continue
        if value is None:
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


def _fit(value: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    if value.shape == shape:
        return value
    if len(shape) == 2 and value.shape == (*shape, 1, 1):
        return value.reshape(shape)
    return None


def _as_float(state: State, path: Path) -> State:
    if odd := [f"{key} ({value.dtype})" for key, value in state.items() if value.dtype.kind != "f"]:
        raise CheckpointError(f"`{path}` holds weights that are not floating point: {some(odd)}")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused
        weights = {key: value.astype(np.float32, copy=False) for key, value in state.items()}
    if odd := [key for key, value in weights.items() if not np.isfinite(value).all()]:
        raise CheckpointError(f"`{path}` holds weights that are infinite or not a number: {some(odd)}")
    return weights


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
            f"Missing: {some(_keys_of('.se.', spec, layout, missing))}",
        )
    problems = [
        f"{len(keys)} {what}: {some(keys)}"
        for what, keys in (
            ("missing", missing),
            ("not known", left_over),
            ("of another shape", misshapen),
        )
        if keys
    ]
    return CheckpointError(
        f"`{path}` does not fit the architecture; tensors " + "; ".join(problems),
        advise("check-architecture"),
    )


def _is_plain_twin(spec: Spec, layout: KeyLayout, missing: list[str], left_over: list[str]) -> bool:
    """Return True if all blocks' convolutions are there, but no SE at all, and nothing that could be it.

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


def _dims(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
