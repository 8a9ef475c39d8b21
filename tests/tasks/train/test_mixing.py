"""Patches of other images: what they are, and how much of the label goes with them."""

from __future__ import annotations

import torch

from senet_cli.tasks.train.mixing import CutMix

CLASSES = 4


def plain_images() -> tuple[torch.Tensor, torch.Tensor]:
    """Image k is all k and of class k."""
    numbers = torch.arange(CLASSES)
    pixels = numbers.to(torch.uint8).reshape(-1, 1, 1, 1).expand(CLASSES, 3, 32, 32).contiguous()
    return pixels, numbers


def test_a_label_has_the_share_of_its_pixels() -> None:
    torch.manual_seed(0)
    mix = CutMix(CLASSES)
    mixed_batches = 0
    for _ in range(60):
        pixels, targets = plain_images()
        seen, shares = mix(pixels, targets)
        assert (seen.shape, seen.dtype) == (pixels.shape, torch.uint8)
        if shares.ndim == 1:
            assert torch.equal(seen, pixels)
            assert torch.equal(shares, targets)
            continue
        mixed_batches += 1
        for number in range(CLASSES):
            found = torch.stack([(seen[number] == k).float().mean() for k in range(CLASSES)])
            torch.testing.assert_close(shares[number], found, atol=1e-6, rtol=0)
    assert 15 < mixed_batches < 45


def test_the_seed_decides() -> None:
    def mixed() -> torch.Tensor:
        torch.manual_seed(7)
        mix = CutMix(CLASSES)
        return torch.cat([mix(*plain_images())[0] for _ in range(5)])

    assert torch.equal(mixed(), mixed())
