"""Pixels equal torchvision's transforms to the last bit, and so do the numbers that the network gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.images import preprocess as module
from senet_cli.images.preprocess import to_pixels
from senet_cli.inference.engines.torch import TorchEngine
from senet_cli.nets.network import SENetwork
from senet_cli.specs import ArchSpec, BasicBlock, ConvStem, Shortcut, SqueezeExcite
from tests.sweeps import every

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MANIFEST = load_manifest()
PUBLISHED = sorted(
    {
        (p.resize, p.crop, p.interpolation)
        for entries in (MANIFEST.checkpoints, MANIFEST.architectures)
        for p in (entry.preprocess for entry in entries.values())
    }
)
SIZES = [
    (1, 1),
    (3, 5),
    (1, 100),
    (300, 3),
    (31, 33),
    (32, 32),
    (224, 224),
    (223, 225),
    (256, 256),
    (255, 257),
    (257, 255),
    (256, 301),
    (640, 480),
    (479, 641),
    (1023, 767),
]


def numbers(resize: int, crop: int, interpolation: str) -> Preprocess:
    return Preprocess(resize, crop, interpolation, MEAN, STD)


def noise(size: tuple[int, int]) -> Image.Image:
    random = np.random.default_rng(size)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def torchvisions(image: Image.Image, preprocess: Preprocess) -> NDArray[np.uint8]:
    steps = transforms.Compose(
        [
            transforms.Resize(
                preprocess.resize,
                transforms.InterpolationMode(preprocess.interpolation),
                antialias=True,
            ),
            transforms.CenterCrop(preprocess.crop),
        ]
    )
    return np.asarray(steps(image))


def assert_nearly_same_pixels(image: Image.Image, preprocess: Preprocess) -> None:
    """Within two levels, and few pixels at all: Pillow rounds between its passes, and ours may be swapped."""
    off = np.abs(to_pixels(image, preprocess).astype(int) - torchvisions(image, preprocess))
    assert off.max() <= 2, f"{image.size}: off by up to {off.max()}"
    assert (off > 0).any(axis=2).mean() < 0.03, image.size


def assert_same_pixels(image: Image.Image, preprocess: Preprocess) -> None:
    ours, theirs = to_pixels(image, preprocess), torchvisions(image, preprocess)
    assert ours.dtype == np.uint8
    assert ours.shape == (preprocess.crop, preprocess.crop, 3)
    off = np.abs(ours.astype(int) - theirs)
    share = (off > 0).any(axis=2).mean()
    assert share == 0, f"{image.size}: {share:.2%} of the pixels differ, by up to {off.max()}"


# --- the plain path -----------------------------------------------------------------------------


@every("published", PUBLISHED)
def test_published_numbers(published: tuple[int, int, str]) -> None:
    for size in SIZES:
        assert_same_pixels(noise(size), numbers(*published))


@pytest.mark.parametrize("size", [(1, 1000), (1000, 3)], ids=str)
def test_strips_that_are_resized_in_full(size: tuple[int, int]) -> None:
    """Up to 65 million pixels, of which a crop is taken: once for each filter is enough."""
    for interpolation in ("bilinear", "bicubic"):
        assert_same_pixels(noise(size), numbers(256, 224, interpolation))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(224, 224), (200, 224), (64, 101), (33, 300), (256, 1)])
def test_numbers_that_nobody_publishes(resize: int, crop: int, interpolation: str) -> None:
    for size in [(1, 1), (7, 40), (333, 250), (64, 64), (101, 64)]:
        assert_same_pixels(noise(size), numbers(resize, crop, interpolation))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_many_sizes(interpolation: str) -> None:
    random = np.random.default_rng(0)
    for width, height in random.integers(1, 600, (60, 2)):
        assert_same_pixels(noise((int(width), int(height))), numbers(256, 224, interpolation))


def test_photographs(data: Path) -> None:
    paths = sorted((data / "photos").glob("*.JPEG"))[:20]
    assert len(paths) == 20
    for path in paths:
        with Image.open(path) as image:
            photo = image.convert("RGB")
        for published in PUBLISHED:
            assert_same_pixels(photo, numbers(*published))


def test_the_filters_are_told_apart() -> None:
    image = noise((300, 400))
    bilinear, bicubic = (to_pixels(image, numbers(256, 224, name)) for name in ("bilinear", "bicubic"))
    assert (bilinear != bicubic).mean() > 0.5


# --- the way around huge intermediate images ----------------------------------------------------


@pytest.mark.parametrize(
    ("upright", "interpolation", "most", "widths"),
    [
        (True, "bilinear", module._MAX_RESIZED, (1,)),
        (False, "bicubic", module._MAX_RESIZED, (7,)),
        *((upright, name, 2**24, (1, 2, 5)) for upright in (True, False) for name in ("bilinear", "bicubic")),
    ],
)
def test_strips_just_too_long_to_be_resized_in_full(
    upright: bool, interpolation: str, most: int, widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real limit, and with one that is found sooner."""
    monkeypatch.setattr(module, "_MAX_RESIZED", most)
    for width in widths:
        height = module._MAX_RESIZED * width // 256**2 + 1
        size = (width, height) if upright else (height, width)
        resized = module._resized_size(size, 256)
        assert module._MAX_RESIZED < resized[0] * resized[1] < 1.01 * module._MAX_RESIZED
        assert_nearly_same_pixels(noise(size), numbers(256, 224, interpolation))


@every("published", PUBLISHED)
def test_the_short_way_gives_the_same_pixels(
    published: tuple[int, int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess = numbers(*published)
    monkeypatch.setattr(module, "_MAX_RESIZED", 0)
    for size in [(256, 400), (300, 400), (401, 299), (31, 97), (97, 31), (26, 1342), (1342, 26)]:
        assert_nearly_same_pixels(noise(size), preprocess)


def test_a_long_strip_takes_little_memory() -> None:
    """60,000 pixels would grow to 256 x 15,360,000: four billion pixels, 16 GB."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pixels = to_pixels(noise((1, 60_000)), numbers(256, 224, "bilinear"))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert pixels.shape == (224, 224, 3)
    assert after - before < 200_000  # kB


# --- what the network gets ----------------------------------------------------------------------


def tiny_network() -> SENetwork:
    return SENetwork(
        ArchSpec(
            stem=ConvStem(channels=8, kernel=3, stride=1),
            pool=None,
            block=BasicBlock(),
            shortcut=Shortcut(),
            se=SqueezeExcite(),
            depths=(1,),
            widths=(8,),
            classes=3,
        )
    )


@pytest.mark.parametrize("name", ["seresnet50.a2", "seresnet32-cifar10.cutmix"])
@pytest.mark.parametrize("method", ["logits", "features"])
def test_the_engine_normalises_as_torchvision_does(name: str, method: str) -> None:
    preprocess = MANIFEST.checkpoints[name].preprocess
    images = [
        noise((16, 16)),
        Image.fromarray(np.arange(768, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)),
    ]
    pixels = np.stack([np.asarray(image) for image in images])
    as_torchvision = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(preprocess.mean, preprocess.std)]
    )
    expected = torch.stack([as_torchvision(image) for image in images])

    network = tiny_network()
    seen: list[torch.Tensor] = []
    network.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    kept = pixels.copy()
    getattr(TorchEngine(network, preprocess, "cpu", "fp32"), method)(pixels)

    (got,) = seen
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)
    assert np.array_equal(pixels, kept)
