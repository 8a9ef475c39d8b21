"""A sweep fails with every offender, and is not skipped for the sake of one."""

from __future__ import annotations

import pytest

from tests.sweeps import every


@every("number", range(5))
def even(number: int) -> None:
    if number == 4:
        pytest.skip("not this one")
    assert number % 2 == 0


@every("number", [])
def nothing(number: int) -> None:
    assert number


@every("number", [1, 2])
def none_of_them(number: int) -> None:
    pytest.skip(f"not {number}")


def test_every_offender_is_named() -> None:
    with pytest.raises(AssertionError, match=r"(?s)2 of 5:\n1: AssertionError.*\n3: AssertionError"):
        even()


def test_no_things_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="nothing to test"):
        nothing()


def test_it_is_skipped_only_with_all_of_them() -> None:
    with pytest.raises(pytest.skip.Exception, match="not 1"):
        none_of_them()
