"""What tells a network and its preprocessing from others, in words."""

from __future__ import annotations

from senet_cli.catalogue.entries import Preprocess
from senet_cli.specs import (
    AntiAliasedBottleneck,
    ArchSpec,
    AverageStemPool,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    InceptionSpec,
    InstanceBatchBottleneck,
    PooledShortcut,
    PoollessStem,
    PreActivation,
    SENetBottleneck,
    Spec,
)


def sizes_in_words(preprocess: Preprocess) -> str:
    """How large an image is when the network sees it."""
    return f"shorter edge to {preprocess.resize} ({preprocess.interpolation}), centre crop {preprocess.crop}"


def preprocess_in_words(preprocess: Preprocess) -> str:
    """What happens to an image before the network sees it."""
    cut = sizes_in_words(preprocess)
    if set(preprocess.std) == {1 / 255}:  # Caffe's way
        return f"{cut}, RGB 0..255 minus {' '.join(f'{255 * value:g}' for value in preprocess.mean)}"
    mean = " ".join(f"{value:g}" for value in preprocess.mean)
    std = " ".join(f"{value:g}" for value in preprocess.std)
    return f"{cut}, RGB 0..1, mean {mean}, std {std}"


def structure_in_words(spec: Spec) -> str:
    """The parts of a network that tell it from its relatives."""
    depths = f"depths {'-'.join(map(str, spec.depths))}"
    if isinstance(spec, InceptionSpec):
        pools = "ceil mode" if spec.pool.ceil_mode else "padded"
        parts = [f"7x7, 1x1, 3x3 stem, pools {pools}", "inception modules", depths]
    else:
        parts = [_stem(spec), _block(spec.block), depths]
        if isinstance(spec.shortcut, PooledShortcut):
            parts.append("average pools in the shortcuts")
        elif spec.shortcut.kernel == 3:
            parts.append("3x3 shortcuts")
    if spec.se is None:
        parts.append("no SE")
    else:
        first = f" ({spec.se.first_reduction} in first blocks)" if spec.se.first_reduction else ""
        bias = "" if spec.se.bias else " without bias"
        multiple = spec.se.hidden_multiple
        rounded = f" rounded to multiples of {multiple}" if multiple > 1 else ""
        parts.append(f"SE reduction {spec.se.reduction}{first}{rounded}{bias}")
    return ", ".join(parts)


def _stem(spec: ArchSpec) -> str:
    stem = spec.stem
    if isinstance(stem, ConvStem):
        convs = f"{stem.kernel}x{stem.kernel} stem"
    else:
        channels = "-".join(map(str, stem.channels))
        convs = f"{'4' if isinstance(stem, PoollessStem) else '3'}x(3x3) stem {channels}"
    if spec.pool is None:
        return convs
    if isinstance(spec.pool, AverageStemPool):
        return f"{convs}, average stem pool"
    return f"{convs}, stem pool {'ceil mode' if spec.pool.ceil_mode else 'padded'}"


def _block(block: Block) -> str:
    match block:
        case BasicBlock(relu_before_se=relu):
            return "basic blocks with a ReLU before SE" if relu else "basic blocks"
        case Bottleneck(cardinality=groups, base_width=width, stride_in=stride_in):
            where = "1x1" if stride_in == "conv1" else "3x3"
            return f"bottlenecks{_cardinality(groups, width)}, stride in the {where}"
        case SENetBottleneck(cardinality=groups, base_width=width):
            return f"SENet bottlenecks {groups}x{width}d, stride in the 3x3"
        case AntiAliasedBottleneck(cardinality=groups, base_width=width):
            return f"bottlenecks{_cardinality(groups, width)}, an average pool behind the 3x3 for its stride"
        case InstanceBatchBottleneck(stages=stages):
            return (
                f"bottlenecks, stride in the 3x3, instance-batch norms (IBN-a) in the first {stages} stages"
            )
        case PreActivation(block=inner, final_norm=final):
            return f"pre-activation {_block(inner)}" + ("" if final else ", no norm behind the last")


def _cardinality(groups: int, width: int) -> str:
    return f" {groups}x{width}d" if groups > 1 else ""
