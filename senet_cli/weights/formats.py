"""Files and folders that are mistaken for checkpoints, recognised by what they begin with or hold.

Each gets one message: what it is, and what to do with it. Magic numbers and names are facts of the formats
themselves (HDF5, ONNX, TensorFlow, MXNet, NumPy, TorchScript, git-lfs).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from senet_cli.errors import Advice, CheckpointError, advise
from senet_cli.weights.pickles import TORCH_MAGIC, names_in, protocol_of
from senet_cli.weights.publishers.caffe import is_caffemodel

HEAD_BYTES = 4096
"""Bytes from the beginning of a file; enough for all of these."""
_SHOWN_NAMES = 5
_SAVE_STATE = (
    "Where you trust it, load it with {library} and save its weights with torch.save or safetensors."
)
_OF_PYTORCH = "Only networks of PyTorch and Caffe are read: look for a PyTorch or safetensors file of it."


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something else than a checkpoint of ours.

    Args:
        what: what it is, to follow "it is".
        step: what to do.
    """

    what: str
    step: str | Advice

    def refusal(self, path: Path) -> CheckpointError:
        """Make the error for the file or folder at `path`."""
        return CheckpointError(f"`{path}` is not a checkpoint that senet reads: it is {self.what}", self.step)


def foreign_file(path: Path, head: bytes) -> Foreign | None:
    """Recognise a file that is certainly not one that can be read; None: it may be one.

    Args:
        path: the file.
        head: its first `HEAD_BYTES`.
    """
    if not head:
        return Foreign("empty", "Fetch the file again.")
    if is_safetensors(head):
        return None
    for start, foreign in _MAGIC.items():
        if head.startswith(start):
            return foreign
    if head[4:8] == b"TFL3":
        return Foreign("a TensorFlow Lite model", _OF_PYTORCH)
    if head[257:262] == b"ustar":
        return Foreign("a tar archive", "Unpack it and give the file of weights in it.")
    for recognise in (_text, _zip, _protobuf, _plain_pickle):
        if found := recognise(path, head):
            return found
    if not (is_caffemodel(head) or head.startswith((b"PK\x03\x04", b"\x80"))):
        return Foreign("neither a PyTorch nor a safetensors nor a Caffe file", _OF_PYTORCH)
    return None


def is_safetensors(head: bytes) -> bool:
    """Tell whether a file that begins so can be a safetensors file: the length of a header, then JSON."""
    return len(head) > 9 and int.from_bytes(head[:8], "little") < 2**32 and head[8:9] == b"{"


# --- by their first bytes -----------------------------------------------------------------------

_PACKED = "Unpack it first."
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": Foreign(
        "an HDF5 file, as Keras writes; only PyTorch, safetensors and Caffe files are read",
        "Weights of Keras have another order and other names: look for a PyTorch or safetensors file of it.",
    ),
    b"version https://git-lfs": Foreign(
        "a git-lfs pointer, a text that stands for the file",
        "Run `git lfs pull` in its folder, or fetch the file itself.",
    ),
    (274).to_bytes(16, "little"): Foreign("a file of parameters of MXNet (GluonCV)", _OF_PYTORCH),
    b"GGUF": Foreign("a GGUF file, as llama.cpp reads", _OF_PYTORCH),
    b"\x93NUMPY": Foreign("an array of NumPy", "A state dict has many: save it with torch.save."),
    b"\x1f\x8b": Foreign("compressed with gzip", _PACKED),
    b"\xfd7zXZ\x00": Foreign("compressed with xz", _PACKED),
    b"BZh": Foreign("compressed with bzip2", _PACKED),
    b"\x28\xb5\x2f\xfd": Foreign("compressed with zstd", _PACKED),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7z archive", _PACKED),
    b"Rar!\x1a\x07": Foreign("a RAR archive", _PACKED),
}
_WEB_PAGE = Foreign(
    "a web page, as a login or error page saved under the file's name",
    "Fetch the file again, with the address of the file itself.",
)


def _text(_: Path, head: bytes) -> Foreign | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<?xml", b"<net ")) and b"<net " in text:
        return Foreign("the description of a network of OpenVINO", _OF_PYTORCH)
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return _WEB_PAGE
    if text.startswith(b"model_checkpoint_path:"):
        return Foreign("the list of checkpoints of TensorFlow", _OF_PYTORCH)
    if not text.startswith(b"{"):
        return None
    if b'"weight_map"' in text:
        return Foreign(
            "the list of a checkpoint's parts (shards)",
            "Networks as small as these come in one file; join the parts with safetensors or torch.save.",
        )
    if re.match(rb'\{\s*"', text):
        return Foreign("a text in JSON", "Give the file of weights that belongs to it.")
    return None


def _zip(path: Path, head: bytes) -> Foreign | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    last = {name.rpartition("/")[2] for name in names}
    if "model.weights.h5" in last:
        return Foreign("a network of Keras (.keras)", _OF_PYTORCH)
    if "data.pkl" in last and ("constants.pkl" in last or any("code" in n.split("/")[:-1] for n in names)):
        return Foreign(
            "a program of TorchScript, which holds code",
            "Where you trust it: torch.save(torch.jit.load(FILE, 'cpu').state_dict(), 'weights.pth').",
        )
    if any(name.endswith(("serialized_exported_program.json", "archive_format")) for name in names):
        return Foreign(
            "an exported program of PyTorch (.pt2)",
            "Where you trust it: torch.save(torch.export.load(FILE).state_dict, 'weights.pth').",
        )
    if names and all(name.endswith(".npy") for name in names):
        return Foreign(
            "arrays of NumPy (.npz)",
            "Make a tensor of each and save them with torch.save or safetensors.",
        )
    return None


def foreign_pickle(names: Sequence[str]) -> Foreign | None:
    """Recognise a pickle by the names of what it would import."""
    modules = {name.partition(".")[0] for name in names}
    if "fastai" in modules:
        return Foreign(
            "an export of fastai, which holds code",
            "Where you trust it: torch.save(load_learner(FILE).model.state_dict(), 'weights.pth').",
        )
    if "sklearn" in modules or "joblib" in modules:
        return Foreign("a model of scikit-learn", _OF_PYTORCH)
    return None


# --- by their structure -------------------------------------------------------------------------

_PB_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)
"""Wire tags of ONNX's ModelProto behind the version: producer, its version, domain, model version, text,
graph, opset."""


def _protobuf(path: Path, head: bytes) -> Foreign | None:
    if head.startswith(b"\x08\x01\x12") or (path.suffix == ".pb" and head[:1] in (b"\x08", b"\x0a")):
        return Foreign("a graph of TensorFlow", _OF_PYTORCH)
    if len(head) > 8 and head[0] == 0x08 and 3 <= head[1] <= 30 and head[2] in _PB_FIELDS:
        return Foreign(
            "a network in ONNX",
            "Its weights have lost their names: give the PyTorch file that it was exported from.",
        )
    return None


def _plain_pickle(path: Path, head: bytes) -> Foreign | None:
    """Name a pickle that `torch.save` did not write: it has neither its archive nor its first number."""
    protocol = protocol_of(head)
    if protocol is None or TORCH_MAGIC in head[:64] or len(head) < 20:
        return None
    with path.open("rb") as stream:
        names = names_in(stream)
    if _is_paddle(path):
        return Foreign("a file of parameters of PaddlePaddle", _OF_PYTORCH)
    if foreign := foreign_pickle(names):
        return foreign
    shown = ", ".join(name[:100] for name in names[:_SHOWN_NAMES])
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    needs = f", and needs {shown}{more}" if names else ""
    return Foreign(
        f"a pickle of Python's own, not a file of torch.save (protocol {protocol}{needs})",
        _SAVE_STATE.format(library="pickle.load"),
    )


def _is_paddle(path: Path) -> bool:
    if path.suffix in (".pdparams", ".pdopt", ".pdiparams"):
        return True
    mark = b"StructuredToParameterName@@"
    with path.open("rb") as stream:
        kept = b""
        while chunk := stream.read(2**22):
            if mark in kept + chunk:
                return True
            kept = chunk[-len(mark) :]
    return False


# --- folders ------------------------------------------------------------------------------------

_FOLDERS: tuple[tuple[Callable[[Path], bool], Foreign], ...] = (
    (
        lambda folder: (folder / "saved_model.pb").is_file() or (folder / "keras_metadata.pb").is_file(),
        Foreign("a SavedModel of TensorFlow", _OF_PYTORCH),
    ),
    (
        lambda folder: (folder / "checkpoint").is_file() and any(folder.glob("*.index")),
        Foreign("a checkpoint of TensorFlow", _OF_PYTORCH),
    ),
    (
        lambda folder: (folder / ".metadata").is_file() and any(folder.glob("*.distcp")),
        Foreign(
            "a distributed checkpoint of PyTorch",
            advise("join-checkpoint"),
        ),
    ),
    (
        lambda folder: (folder / "data.pkl").is_file() and (folder / "data").is_dir(),
        Foreign("the unpacked archive of a file of torch.save", "Give the file as it was before."),
    ),
)
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def check_folder(folder: Path) -> None:
    """Say what a folder is, if a person may take it for a checkpoint.

    Raises:
        CheckpointError: it is one of those.
    """
    for recognise, foreign in _FOLDERS:
        if recognise(folder):
            raise foreign.refusal(folder)
    for name in _WEIGHTS:
        if (folder / name).is_file():
            raise Foreign(f"a folder with `{name}` in it", f"Give `{folder / name}`.").refusal(folder)
