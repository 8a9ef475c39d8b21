"""The two real networks that the fixture `cifar_cache` installs."""

from __future__ import annotations

NAMES = {
    "seresnet32-cifar10.cutmix": "seresnet32_cifar10_cutmix.pt",
    "seresnet32-cifar10.teacher": "seresnet32_cifar10_teacher.pt",
}
