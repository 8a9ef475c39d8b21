"""Whatever a part declares is told by its traits: networks that differ can be told apart in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import permutations
from typing import Any, Literal, get_args, get_origin, get_type_hints

from senet_cli.catalogue.codec import fields_of, members
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.catalogue.traits import differences, only_in, structure_in_words
from senet_cli.specs import ArchSpec, InceptionBlock, InceptionSpec, PooledShortcut, Spec
from tests.catalogue.parts import examples

SPECS = {key: architecture.spec for key, architecture in load_manifest().architectures.items()}
NOT_TOLD = {"classes", "in_channels"}
"""Heads are replaced; networks are compared with equal ones."""


def varied(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, tuple):
        for position, held in enumerate(value[:2]):
            for other in varied(held):
                yield (*value[:position], other, *value[position + 1 :])
    elif is_dataclass(value):
        for field in fields_of(type(value)):
            if field.name not in NOT_TOLD:
                for other in of_field(value, field.name):
                    yield replace(value, **{field.name: other})


def of_field(part: Any, name: str) -> Iterator[Any]:
    held, hint = getattr(part, name), get_type_hints(type(part))[name]
    if held is None:
        yield 7
    elif get_origin(hint) is Literal:
        yield from set(get_args(hint)) - {held}
    else:
        yield from varied(held)


def with_each_part() -> dict[str, Spec]:
    """One network with each part that there is, and one of inception modules."""
    plain = SPECS["seresnet50"]
    specs: dict[str, Spec] = {"inception": SPECS["sebninception-caffe"]}
    for field in fields_of(ArchSpec):
        for kind in members(getattr(field.form, "kind", ())):
            if kind in examples():
                specs[kind.__name__] = replace(plain, **{field.name: examples()[kind]})
    return specs


def test_every_field_of_every_part_is_told() -> None:
    specs, offenders = with_each_part(), []
    assert {kind.__name__ for kind in examples()} > specs.keys() - {"inception"} > {"Bottleneck", "Shortcut"}
    for key, spec in specs.items():
        for field in fields(spec):
            if field.name in NOT_TOLD:
                continue
            for other in of_field(spec, field.name):
                changed = replace(spec, **{field.name: other})
                if not only_in(changed, spec) or not only_in(spec, changed):
                    offenders.append((key, field.name, other))
    assert not offenders


def test_two_networks_that_differ_differ_in_words_both_ways() -> None:
    specs = SPECS | with_each_part() | {"no SE": SPECS["seresnet50"].without_se()}
    same = [
        (one, other)
        for one, other in permutations(specs, 2)
        if specs[one] != (compared := specs[other].with_classes(specs[one].classes))
        and not only_in(specs[one], compared)
    ]
    assert not same


def test_no_two_traits_of_a_network_are_the_same() -> None:
    assert not [key for key, spec in SPECS.items() if len(set(spec.traits())) != len(spec.traits())]


def test_what_goes_without_saying_is_said_where_it_differs() -> None:
    spec = SPECS["seresnet50"]
    assert isinstance(spec, ArchSpec)
    pooled = replace(spec, shortcut=PooledShortcut())
    assert "shortcuts" not in structure_in_words(spec)
    assert only_in(spec, pooled) == "1x1 shortcuts"
    assert only_in(pooled, spec) == "average pools in the shortcuts"
    assert only_in(replace(spec, dropout=0.25), spec) == "dropout 0.25"


def test_words_with_a_comma_are_one_trait() -> None:
    spec = SPECS["sebninception-caffe"]
    assert isinstance(spec, InceptionSpec)
    assert structure_in_words(spec).startswith("7x7, 1x1, 3x3 stem, pools ceil mode, inception modules")
    first, *stages = spec.stages
    module, *others = first.blocks
    assert isinstance(module, InceptionBlock)
    changed = replace(first, blocks=(replace(module, pool="max"), *others))
    told = only_in(replace(spec, stages=(changed, *stages)), spec)
    assert told == "branches 64, 64-64, 64-96, max pool-32 in module 1 of stage 1"


def test_differences_leave_out_what_all_share() -> None:
    specs: dict[str, Spec] = {
        key: SPECS[key].with_classes(5) for key in ("seresnet50", "seresnet50-caffe", "seresnet50-pytorchcv")
    }
    told = differences(specs)
    assert set(told) == set(specs)
    assert "depths" not in "".join(told.values())
    assert told["seresnet50"].startswith("stem pool padded, ")
    assert "SE" not in told["seresnet50"]
