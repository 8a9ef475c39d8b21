"""Batch norms folded into the convolutions before them: the same function, fewer passes over the maps."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from senet_cli.nets.network import SENetwork
from senet_cli.nets.parts import PreActivationBlock


def fold_batch_norms(network: SENetwork) -> None:
    """Fold every batch norm that stands right behind a convolution, in place.

    It is calculated in float64, so that float32 weights lose nothing more. The network must be in evaluation
    mode, and cannot be trained or saved afterwards.
    """
    for module in list(network.modules()):
        for name, norm_name in _pairs(module):
            conv, norm = module.get_submodule(name), module.get_submodule(norm_name)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                folded = fuse_conv_bn_eval(conv.double(), norm.double())
                module.add_module(name, folded.to(network.head.weight.dtype))
                module.add_module(norm_name, nn.Identity())


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of convolutions, and of the norms behind them."""
    numbers = {name.removeprefix("conv"): name for name, _ in module.named_children() if "conv" in name}
    for number, name in numbers.items():
        behind = str(int(number) + 1) if isinstance(module, PreActivationBlock) else number
        if f"norm{behind}" in dict(module.named_children()):
            yield name, f"norm{behind}"
