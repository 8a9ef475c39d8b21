"""Reader, writer and schema of every part are one thing: what a part declares holds in all three."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest

from senet_cli.catalogue.codec import fields_of, read, schema, write
from senet_cli.catalogue.entries import Licence, Metric, Preprocess, Sizes
from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import ManifestError
from senet_cli.specs import Spec
from senet_cli.specs.declare import Between
from tests.catalogue.parts import PARTS, examples

ENTRIES = {
    Licence: Licence("MIT", "as the author says"),
    Metric: Metric("cifar-10", 90.0, 99.5, 32, "a paper"),
    Preprocess: Preprocess(256, 224, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    Sizes: Sizes(320, 288),
}
PROJECT = Path(__file__).parents[2]
GONE = object()
ODD: list[Any] = [
    *(GONE, None, True, -1, 0, 1, 2, 3, 1.5, 65537, 1_000_001, "", "x", "conv2", "max", "conv"),
    *([], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [0.1, 0.2, 0.3], ["a", "b"], [True, True], [{}], {}),
    *({"type": "average"}, {"type": "basic"}, {"kernel": 1}, {"reduction": 4, "bias": True}),
]
BEYOND_SCHEMA = ("one number for each stage", "do not divide the channels", "without channels")
"""What a schema cannot say: it counts no two arrays against each other, and divides nothing."""


def validator(kind: Any) -> jsonschema.Draft202012Validator:
    definitions: dict[str, Any] = {}
    reference = schema(kind, definitions)
    return jsonschema.Draft202012Validator({**reference, "$defs": definitions})


def problem_with(kind: Any, data: object) -> str | None:
    try:
        fields = Fields(data, "here")
        read(kind, fields)
        fields.done()
    except ManifestError as error:
        return error.message
    return None


def test_what_is_written_is_what_is_read() -> None:
    for kind, value in (examples() | ENTRIES).items():
        fields = Fields(json.loads(json.dumps(write(value))), "here")
        assert read(kind, fields) == value
        assert fields.left() == ()


def test_schema_and_reader_judge_every_change_of_every_part_alike() -> None:
    offenders = []
    for kind in (*PARTS, *ENTRIES):
        judge, right = validator(kind), json.loads(json.dumps(write((examples() | ENTRIES)[kind])))
        assert judge.is_valid(right), kind
        for name in (*(field.name for field in fields_of(kind)), "type", "surprise"):
            for value in ODD:
                data = {key: held for key, held in (right | {name: value}).items() if held is not GONE}
                problem = problem_with(kind, data)
                if problem and any(words in problem for words in BEYOND_SCHEMA):
                    continue
                if judge.is_valid(data) is not (problem is None):
                    offenders.append((kind.__name__, name, value, problem))
    assert not offenders


def test_a_structure_is_told_by_its_type() -> None:
    judge = validator(Spec)
    for architecture in load_manifest().architectures.values():
        data = json.loads(json.dumps(write(architecture.spec)))
        assert read(Spec, Fields(data, "here")) == architecture.spec
    for architecture in (load_manifest().architecture(key) for key in ("seresnet50", "sebninception-caffe")):
        data = json.loads(json.dumps(write(architecture.spec)))
        for kind in ("inception", "residual", None, 1, GONE):
            changed = {name: held for name, held in (data | {"type": kind}).items() if held is not GONE}
            assert judge.is_valid(changed) is (problem_with(Spec, changed) is None)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (
            {"direct": 1, "single3x3": [1, 2], "double3x3": [3], "pool": "max"},
            "here: stages[1]: blocks[0]: `d",
        ),
        ({"single3x3": [1, 2], "double3x3": [3, 4], "pool": "average"}, "here: stages[1]: blocks[0]: `pool`"),
    ],
)
def test_an_error_names_its_place_at_any_depth(data: dict[str, Any], where: str) -> None:
    right = write(load_manifest().architecture("sebninception-caffe").spec)
    stages = [right["stages"][0], {"blocks": [data]}]
    assert str(problem_with(Spec, right | {"stages": stages})).startswith(where)


def test_what_has_no_form_in_json_is_refused_where_it_is_declared() -> None:
    @dataclass
    class Unbounded:
        number: int

    @dataclass
    class Lax:
        numbers: tuple[Annotated[int, Between(1, 2)], ...] = ()

    @dataclass
    class Doubtful:
        flag: bool | None

    for kind in (Unbounded, Lax, Doubtful):
        kind.__annotations__ = {name: eval(text) for name, text in kind.__annotations__.items()}
        with pytest.raises(TypeError, match="in JSON"):
            fields_of(kind)


def test_a_field_that_is_not_stated_is_unknown() -> None:
    spec = load_manifest().architecture("seresnet50").spec
    assert "in_channels" not in write(spec)
    problem = problem_with(Spec, write(spec) | {"in_channels": 3})
    assert problem == "here: unknown field `in_channels`"


def test_the_published_schema_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    made = importlib.import_module("manifest_schema").manifest_schema()
    published = json.loads((PROJECT / "docs" / "weights_manifest.schema.json").read_text())
    assert published == json.loads(json.dumps(made)), "run scripts/manifest_schema.py"
