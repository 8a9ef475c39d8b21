"""When a batch is full: the one rule for whoever makes batches, or wants to know where they ended."""

from __future__ import annotations


class Filling:
    """Tells when a batch is full: when it has enough images that can be read, or many more that cannot.

    Args:
        size: images that can be read.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._images = self._items = 0

    def add(self, *, readable: bool) -> bool:
        """Add an item; return True if the batch is full with it, and the next item begins another."""
        self._images += readable
        self._items += 1
        if self._images < self._size and self._items < 4 * self._size:
            return False
        self._images = self._items = 0
        return True
