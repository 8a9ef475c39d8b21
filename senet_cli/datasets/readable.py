"""Whether the images of each class can be read at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from senet_cli.datasets.labelled import Labelled
from senet_cli.errors import ImageError
from senet_cli.images.sources import Source


def unreadable_classes(labelled: Labelled, jobs: int = 1) -> tuple[int, ...]:
    """Find the classes none of whose images can be decoded, including those without any image; their indices.

    Of each class images are decoded until one can be, so that of sound data one image a class is read.

    Args:
        labelled: the images.
        jobs: decoding threads.
    """
    by_class: list[list[Source]] = [[] for _ in labelled.classes]
    for source, number in labelled.images:
        by_class[number].append(source)
    with ThreadPoolExecutor(jobs, thread_name_prefix="readable") as pool:
        readable = list(pool.map(_any_readable, by_class))
    return tuple(number for number, one in enumerate(readable) if not one)


def _any_readable(sources: list[Source]) -> bool:
    return any(map(_is_readable, sources))


def _is_readable(source: Source) -> bool:
    from senet_cli.images.decode import decode

    try:
        with source.open() as file:
            decode(file)
    except ImageError:
        return False
    return True
