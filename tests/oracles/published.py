"""Files as the publishers write them: container, wrapper, age of the format, keys."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor


def mmpretrain_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's keys as mmpretrain's configuration of the same network spells them."""
    spelled = {}
    for key, value in state.items():
        if key.startswith("fc."):
            spelled[f"head.{key}"] = value
            continue
        new = key.replace(".se.fc1.", ".se_layer.conv1.conv.").replace(".se.fc2.", ".se_layer.conv2.conv.")
        spelled[f"backbone.{new}"] = value
    return spelled


def publish(state: dict[str, Tensor], layout: str, file_format: str, folder: Path) -> Path:
    """A file as this publisher writes them: container, wrapper, age of the format, keys."""
    path = folder / "published"
    if file_format == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path, metadata={"format": "pt"})
    elif file_format == "torch-zip":
        torch.save(state, folder / "weights.pth")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / "weights.pth", "weights.pth")
    elif layout == "mmpretrain":
        wrapped = {"meta": {"epoch": 100, "mmcls_version": "0.4"}, "state_dict": mmpretrain_keys(state)}
        torch.save(wrapped, path)
    elif layout == "cadene":  # from 2018: before zip files, before batch norms counted their batches
        old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        torch.save(old, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(state, path)
    return path
