"""Batch norms folded into the convolutions before them: the same function, fewer passes over the maps."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from senet_cli.models.network import SENetwork


def fold_batch_norms(network: SENetwork) -> None:
    """Fold every batch norm, in place; calculated in float64, so that float32 weights lose nothing more.

    The network must be in evaluation mode, and cannot be trained or saved afterwards.
    """
    for module in list(network.modules()):
        for name, conv in list(module.named_children()):
            if isinstance(conv, nn.Conv2d):
                norm_name = name.replace("conv", "norm")
                norm = module.get_submodule(norm_name)
                assert isinstance(norm, nn.BatchNorm2d)  # `parts.conv2d` promises it
                folded = fuse_conv_bn_eval(conv.double(), norm.double())
                module.add_module(name, folded.to(network.head.weight.dtype))
                module.add_module(norm_name, nn.Identity())
