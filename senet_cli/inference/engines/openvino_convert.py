"""From a network in PyTorch to one for OpenVINO, with the normalisation as its first layer."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from senet_cli.catalogue.entries import Preprocess
from senet_cli.inference.engines.openvino import NETWORK_FILE, import_converter, import_openvino
from senet_cli.nets.network import SENetwork
from senet_cli.nets.pixels import PixelNetwork


def to_openvino(network: SENetwork, preprocess: Preprocess) -> Any:
    """Convert a network to an OpenVINO model for any number of images of the crop's size, in float32."""
    openvino = import_openvino()
    side = preprocess.crop
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library traces in a way that PyTorch calls deprecated
        return import_converter().convert_model(
            PixelNetwork(network, preprocess).eval(),
            example_input=example,
            input=[openvino.PartialShape([-1, side, side, 3])],
        )


def save(model: Any, folder: Path) -> None:
    """Write a converted model as the two files of `engines.openvino`; weights are not rounded to fp16."""
    import_openvino().save_model(model, folder / NETWORK_FILE, compress_to_fp16=False)
