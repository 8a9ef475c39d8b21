"""Pickled files of PyTorch: loaded as data, with nothing in place of the harmless objects beside the weights.

`torch.load(weights_only=True)` refuses a file for any class that it does not know, and training scripts
write many: `argparse.Namespace`, scalars of NumPy, paths, times. Those on a short list of names are replaced
while a file is loaded by stand-ins of ours, which take any arguments and any state and keep nothing. The
classes themselves are never imported. All other names are refused as before. PyTorch is imported where a file
is loaded, for looking at one needs none.
"""

from __future__ import annotations

import io
import lzma
import pickle
import pickletools
import re
import struct
import threading
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from senet_cli.weights.arrays import Unreadable

_NESTED = 6
"""Dicts within dicts in which tensors are looked for; `weights.unwrap` looks less deep."""
_LOCK = threading.Lock()
"""PyTorch keeps one list of allowed names for the whole process, and the first to leave clears it."""


class Inert:
    """Stands for an object that nobody needs: takes anything, does nothing, holds nothing."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Inert:
        """Make another, whatever the arguments."""
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class _Mapping:
    """Stands for the kinds of dict: those may hold a state dict, so their items are kept."""

    def __new__(cls, *_: object, **__: object) -> Any:
        return OrderedDict()  # PyTorch fills no others, and lets no other be built


class _Sequence:
    """Stands for the kinds of list."""

    def __new__(cls, *_: object, **__: object) -> Any:
        return []


_ARRAYS = ("scalar", "_reconstruct")
_INERT = (
    *("argparse.Namespace", "types.SimpleNamespace", "torch.torch_version.TorchVersion", "uuid.UUID"),
    *(f"pathlib.{name}" for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")),
    *(f"pathlib._local.{name}" for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in _ARRAYS),
    *("numpy.dtype", "numpy.ndarray", "decimal.Decimal", "fractions.Fraction"),
    *(f"builtins.{name}" for name in ("bool", "bytes", "dict", "float", "int", "list", "object", "str")),
    *(f"builtins.{name}" for name in ("frozenset", "range", "slice", "tuple", "type")),
    *(f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata")),
    *("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.nodes.AnyNode"),
    *("typing.Any", "ml_collections.config_dict.config_dict.ConfigDict"),
    *("mmengine.logging.history_buffer.HistoryBuffer", "mmengine.config.config.ConfigDict"),
)
_MAPPINGS = (
    *("collections.defaultdict", "easydict.EasyDict", "yacs.config.CfgNode", "addict.addict.Dict"),
    *("lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict"),
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
_STAND_INS: dict[str, Any] = {
    **dict.fromkeys(_INERT, Inert),
    **dict.fromkeys(_MAPPINGS, _Mapping),
    "collections.deque": _Sequence,
}
"""What training scripts leave in checkpoints, by the names in the pickle. A class as the default of a
`defaultdict` is a name too, so some types of Python's own are among them; none can be called through it."""
STAND_INS = frozenset(_STAND_INS)
"""The names that are replaced."""


def load(source: Path | IO[bytes]) -> Any:
    """Load a file with `torch.load(weights_only=True)`, on the CPU, with stand-ins for `STAND_INS`.

    The list of allowed names is that of the whole process; it is extended while this file is read, one file
    at a time, and then as it was.

    Raises:
        Exception: whatever PyTorch raises; its words advise to load unsafely, so nobody should see them.
    """
    import torch

    names: list[Any] = [(stand_in, name) for name, stand_in in _STAND_INS.items()]
    with _LOCK, torch.serialization.safe_globals(names), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch warns of is an error here anyway
        return torch.load(source, map_location="cpu", weights_only=True)


def load_arrays(source: Path | IO[bytes]) -> Any:
    """Load a file as `load` does, with arrays in place of the tensors in its dicts; see `as_arrays`."""
    data = load(source)
    return as_arrays(data) if isinstance(data, dict) else data


def as_arrays(
    data: dict[Any, Any], depth: int = _NESTED, done: dict[int, dict[Any, Any]] | None = None
) -> dict[Any, Any]:
    """Put arrays of the same memory in place of tensors, in dicts within dicts to some depth.

    Numbers that NumPy does not know, such as bf16, come as float32; a tensor that is not numbers in memory as
    `Unreadable`. A dict that stands in several places is looked through once, however often it is named.

    Args:
        data: what a file holds.
        depth: dicts within dicts that are looked through.
        done: dicts that were looked through, by their identity.
    """
    import torch

    done = {} if done is None else done
    held: dict[Any, Any] = {}
    done[id(data)] = held
    for key, value in dict.items(data):  # a dict out of a file may have attributes in place of its methods
        if isinstance(value, torch.Tensor):
            held[key] = _array(value)
        elif isinstance(value, dict) and depth:
            held[key] = done[id(value)] if id(value) in done else as_arrays(value, depth - 1, done)
        else:
            held[key] = value
    return held


def _array(value: Any) -> NDArray[Any] | Unreadable:
    import torch

    plain = type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout == torch.strided
    if not plain or value.is_quantized or value.is_meta:
        return Unreadable()
    value = value.detach().resolve_conj().resolve_neg()
    if value.nbytes > value.untyped_storage().nbytes():  # few numbers that claim to be many
        return Unreadable()
    if value.is_floating_point() and value.dtype not in (torch.float16, torch.float32, torch.float64):
        value = value.float()
    try:
        array: NDArray[Any] = value.numpy()
    except (TypeError, RuntimeError):  # a format of numbers that NumPy does not know
        return Unreadable()
    return array


# --- looking at a pickle without loading it -----------------------------------------------------

TORCH_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""What the older format of `torch.save` begins with, a number of ten bytes."""
_MAX_OPCODES = 500_000
_MAX_PICKLES = 5
_BROKEN = (
    *(ValueError, OSError, EOFError, LookupError, AttributeError, TypeError, OverflowError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError),
    *(struct.error, pickle.PickleError),
)
_NAMED = re.compile(r"GLOBAL (\S+)|unrecognized function (.{1,100})")


def protocol_of(head: bytes) -> int | None:
    """Read the protocol of a pickle that begins so, 2 to 5; None: it is not such a pickle."""
    return head[1] if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5 else None


def torch_protocol(source: Path | IO[bytes]) -> int | None:
    """Read the protocol of the pickle in a file of `torch.save`; None: not such a file, or damaged."""
    try:
        if isinstance(source, Path):
            with source.open("rb") as stream:
                return torch_protocol(stream)
        source.seek(0)
        head = source.read(64)
        if TORCH_MAGIC in head:
            return protocol_of(head)
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
            return protocol_of(archive.read(names[0])[:2])
    except _BROKEN:
        return None


def names_in(stream: IO[bytes]) -> tuple[str, ...]:
    """List modules and names of all that a pickle would import, each once; nothing is imported.

    Args:
        stream: at the beginning of a pickle, or of several one after the other as in PyTorch's older format.
            What cannot be read ends the search.
    """
    found: dict[str, None] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in damaged ones
            for _ in range(_MAX_PICKLES):
                found |= dict.fromkeys(_names_in_one(stream))
    except _BROKEN:
        pass
    return tuple(found)


def _names_in_one(stream: IO[bytes]) -> Iterator[str]:
    texts: list[Any] = []
    memo: dict[int, Any] = {}
    for number, (opcode, value, _) in enumerate(pickletools.genops(stream)):
        if number > _MAX_OPCODES:
            raise ValueError("too many opcodes")
        if opcode.name == "GLOBAL":
            yield ".".join(str(value).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(map(str, texts[-2:]))
        elif opcode.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if value is None else int(value)] = texts[-1] if texts else None
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            texts = [*texts[-1:], memo.get(int(value or 0))]
        elif isinstance(value, str):
            texts = [*texts[-1:], value]


def refused_names(source: Path | IO[bytes], error: Exception) -> tuple[str, ...]:
    """List the names for which PyTorch refused a file with `error`; empty if that was not the reason."""
    import torch

    match = _NAMED.search(str(error))
    if match is None:
        return ()
    named = (match[1] or match[2]).strip()
    if isinstance(source, io.IOBase):
        source.seek(0)
    try:
        held = torch.serialization.get_unsafe_globals_in_checkpoint(source)
    except _BROKEN:
        held = []
    # PyTorch leaves `builtins.` out of the name that it complains of
    names = [name for name in held if name not in STAND_INS]
    return tuple(sorted(names)) if any(name.endswith(named) for name in names) else (named,)
