"""Other people's networks as judges, and random weights that show a difference where there is one."""

from __future__ import annotations

import copy
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

_BLOCK_NORM = re.compile(r"(?P<block>(?:layers?|stage)\d+\.\d+)\.(?:bn|norm)(?P<number>\d)")
_UNIT_NORM = re.compile(r"(?P<block>features\.stage\d+\.unit\d+)\.body\.conv(?P<number>\d)\.bn")


@contextmanager
def one_thread() -> Iterator[None]:
    """Run networks on one thread. Grouped convolutions in float64 are thousands of small parallel loops, and
    threads wait for each other by spinning: beside other work on the same cores, seconds become minutes.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True)
class Judge:
    """A builder of a package that people load the published weights with."""

    package: str
    builder: str

    def __str__(self) -> str:
        return f"{self.package}:{self.builder}"

    def build(self) -> nn.Module:
        """The network in evaluation mode, on the meta device: `random_state` brings the weights."""
        with torch.device("meta"):
            if self.package == "timm":
                import timm

                return timm.create_model(self.builder).eval()
            if self.package == "torchvision":
                import torchvision

                return torchvision.models.get_model(self.builder, weights=None).eval()
            if self.package == "pytorchcv":
                from pytorchcv.model_provider import get_model

                return get_model(self.builder, pretrained=False).eval()
            builder = getattr(self.pretrainedmodels(), self.builder)
            return builder(num_classes=1000, pretrained=None).eval()

    @staticmethod
    def pretrainedmodels() -> ModuleType:
        """Import the package of that name."""
        with warnings.catch_warnings():
            # It compares with `is` in a file that has nothing to do with SE networks; the compiler says so
            # when it meets the file for the first time.
            warnings.simplefilter("ignore", SyntaxWarning)
            import pretrainedmodels
        return pretrainedmodels


def random_state(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Weights in float32 for a network of another package, or of ours, under its own keys.

    Every tensor has a say in the logits: no unit gamma, no zero mean, no gate that stays half open. The
    residual branches are damped, so that 50 blocks on top of each other neither explode nor drown the image,
    and within them more than half of what enters a ReLU passes it: each layer that halves its input at random
    makes rounding errors a fifth larger.
    """
    random = torch.Generator().manual_seed(seed)
    last_norms = _last_norms(network)

    def normal(shape: torch.Size, std: float) -> Tensor:
        return torch.randn(shape, generator=random) * std

    def uniform(shape: torch.Size, low: float, high: float) -> Tensor:
        return torch.rand(shape, generator=random) * (high - low) + low

    state: dict[str, Tensor] = {}
    for path, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            gates = module.bias is not None and re.search(r"\bse(_module)?\b", path)
            gain = 2.0 if gates else math.sqrt(2) if module.bias is None else 1.0
            state[f"{path}.weight"] = normal(module.weight.shape, gain / math.sqrt(fan_in))
            if module.bias is not None:
                state[f"{path}.bias"] = normal(module.bias.shape, 0.5)
        elif isinstance(module, nn.InstanceNorm2d):
            state[f"{path}.weight"] = uniform(module.weight.shape, 0.7, 1.3)
            state[f"{path}.bias"] = normal(module.bias.shape, 0.2) + 0.5
        elif isinstance(module, nn.BatchNorm2d):
            shape = module.weight.shape
            damping, shift = (0.25, 0.0) if path in last_norms else (1.0, 0.5)
            state[f"{path}.weight"] = uniform(shape, 0.7, 1.3) * damping
            state[f"{path}.bias"] = normal(shape, 0.2) + shift
            state[f"{path}.running_mean"] = normal(shape, 0.2)
            state[f"{path}.running_var"] = uniform(shape, 0.5, 1.5)
            state[f"{path}.num_batches_tracked"] = torch.tensor(1000)
    assert state.keys() == network.state_dict().keys()
    return state


def _last_norms(network: nn.Module) -> set[str]:
    """Paths of the batch norms at the ends of the residual branches."""
    paths = [path for path, _ in network.named_modules()]
    matches = [m for path in paths if (m := _BLOCK_NORM.fullmatch(path) or _UNIT_NORM.fullmatch(path))]
    last: dict[str, re.Match[str]] = {}
    for match in sorted(matches, key=lambda match: match["number"]):
        last[match["block"]] = match
    return {match[0] for match in last.values()}


def with_state(network: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """The network with copies of these weights, so that casting one network leaves the others alone."""
    network.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)
    return network.eval()


@torch.inference_mode()
def settled(network: nn.Module, state: dict[str, Tensor], inputs: Tensor) -> dict[str, Tensor]:
    """`state` with the statistics of these inputs in every batch norm, as training would leave them.

    Guessed statistics let the sum of hundreds of blocks grow until rounding is all that two processors
    differ in, and what all images have in common drown the difference between two of them.

    Args:
        network: on the meta device; it stays as it is.
        state: from `random_state`.
        inputs: float32 (N, 3, H, W); the more, the better.
    """
    learns = with_state(copy.deepcopy(network), state)
    for module in learns.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            module.train()
    learns(inputs)
    return learns.state_dict()


def eight_images(size: int) -> Tensor:
    """For `settled`: uint8 (8, 3, size, size), other images than those of `two_images`."""
    return torch.cat([two_images(size, seed) for seed in range(11, 15)])


def two_images(size: int, seed: int = 1) -> Tensor:
    """Two images that differ as photographs do, in light, colours and detail: uint8 (2, 3, size, size)."""
    random = torch.Generator().manual_seed(seed)
    shapes = torch.rand((2, 3, 5, 5), generator=random)
    images = nn.functional.interpolate(shapes, (size, size), mode="bicubic", align_corners=False)
    noise = torch.rand(images.shape, generator=random)
    detail = torch.tensor([0.1, 0.6]).reshape(2, 1, 1, 1)
    light = torch.tensor([0.25, 1.0]).reshape(2, 1, 1, 1)
    return (((1 - detail) * images + detail * noise).clamp(0, 1) * light * 255).round().to(torch.uint8)


def normalised(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 (N, 3, H, W) -> what torchvision's ToTensor and Normalize give, float32."""
    from torchvision.transforms.functional import normalize

    return normalize(pixels.float() / 255, list(mean), list(std))


@torch.inference_mode()
def logits_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Logits in float64, whatever the network computes in."""
    logits: Tensor = network(inputs)
    return logits.double()


def assert_same(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """The logits of two images (2, classes) agree to `tolerance` of their standard deviation.

    So does the difference between the two images, to 1 % of its own size: logits could agree well just
    because they hardly depend on the image.
    """
    assert ours.shape == theirs.shape
    assert torch.isfinite(theirs).all()
    spread = theirs.std(dim=1).min()
    contrast = theirs[0] - theirs[1]
    assert contrast.std() > 0.1 * spread, "the images hardly differ: this comparison would see little"
    error = (ours - theirs).abs().max() / spread
    assert error <= tolerance, f"logits are off by {error:.1e} of their standard deviation"
    off = (ours[0] - ours[1] - contrast).abs().max() / contrast.std()
    assert off <= 0.01, f"the difference between the images is off by {off:.1e}"


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference of logits (N, classes), in standard deviations of `theirs`."""
    return float((ours - theirs).abs().max() / theirs.std(dim=1).min())
