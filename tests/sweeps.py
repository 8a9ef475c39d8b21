"""One rule over many things is one test, which names every offender."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def every(
    name: str, items: Iterable[T], called: Callable[[T], str] = str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a test of one thing, its parameter `name`, into a test of all of them.

    It is skipped only where it would be for each of them.

    Args:
        name: of the parameter.
        items: the things; there must be some.
        called: what a thing is called where it is an offender.
    """

    def sweep(test: Callable[..., None]) -> Callable[..., None]:
        def run(**fixtures: Any) -> None:
            things = list(items)
            assert things, "nothing to test the rule on"
            offenders, reasons = [], []
            for item in things:
                try:
                    test(**{name: item}, **fixtures)
                except pytest.skip.Exception as reason:
                    reasons.append(str(reason))
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - told below
                    offenders.append(f"{called(item)}: {type(error).__name__}: {error}")
            if len(reasons) == len(things):
                pytest.skip(reasons[0])
            assert not offenders, f"{len(offenders)} of {len(things)}:\n" + "\n".join(offenders)

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        signature = inspect.signature(test)
        others = [parameter for parameter in signature.parameters.values() if parameter.name != name]
        run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return run

    return sweep
