"""JSON of dataclasses: reading, writing and JSON Schema, all three derived from the fields.

What a dataclass declares, and how, is said in `senet_cli.specs.declare`. Reading goes through `Fields`, so
every error names file, entry and field. Why this is not a library: `docs/decisions/codec.md`.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin

from senet_cli.catalogue.fields import Fields
from senet_cli.specs.declare import REQUIRED, UNSTATED, Between

Schema = dict[str, Any]
_NUMERALS = {2: "two", 3: "three", 4: "four"}


def read(kind: Any, source: Fields) -> Any:
    """Read the value that an object's fields describe; fields that are not the value's stay to be taken.

    Args:
        kind: a dataclass, or a union of dataclasses of which `type` names one.
        source: the object.

    Raises:
        ManifestError: a field is missing or wrong, or the fields do not fit each other.
    """
    chosen = _chosen(members(kind), source)
    value = chosen(
        **{field.name: field.form.read(source, field.name, field.default) for field in fields_of(chosen)}
    )
    if (find := getattr(value, "problem", None)) and (problem := find()):
        source.fail(problem)
    return value


def write(value: Any) -> dict[str, Any]:
    """Write the object that `read` makes the value from, without numbers and texts that say nothing."""
    tag = getattr(value, "tag", None)
    written = {"type": tag} if tag else {}
    kind: Any = type(value)
    for field in fields_of(kind):
        held = getattr(value, field.name)
        if held not in (None, "") or isinstance(field.form, _Part):
            written[field.name] = field.form.write(held)
    return written


def schema(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """Make a JSON Schema of what `read` accepts: a reference to what is added to `definitions`, by class."""
    references = [_definition(member, definitions) for member in members(kind)]
    return references[0] if len(references) == 1 else {"oneOf": references}


def _definition(kind: type, definitions: dict[str, Schema]) -> Schema:
    if kind.__name__ not in definitions:
        tag = getattr(kind, "tag", None)
        of_fields = fields_of(kind)
        required = [field.name for field in of_fields if field.default is ...]
        if tag and not getattr(kind, "usual", False):
            required.insert(0, "type")
        properties: Schema = {"type": {"const": tag}} if tag else {}
        definitions[kind.__name__] = {
            "description": " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split()),
            "type": "object",
            "additionalProperties": False,
            "required": required,
            "properties": properties,
            **({"allOf": [kind.rules]} if hasattr(kind, "rules") else {}),
        }
        for field in of_fields:
            properties[field.name] = field.form.schema(definitions)
            if field.default == "":
                del properties[field.name]["minLength"]
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _chosen(kinds: tuple[type, ...], source: Fields) -> type:
    """Find the class that `type` names; without it the usual one, or the one without a tag."""
    tagged = {kind.tag: kind for kind in kinds if hasattr(kind, "tag")}
    usual = next((kind for kind in kinds if getattr(kind, "usual", not hasattr(kind, "tag"))), None)
    if usual and (not tagged or "type" not in source):
        return usual
    return tagged[source.choice("type", tuple(tagged))]


def members(kind: Any) -> tuple[type, ...]:
    """List the dataclasses of a union."""
    return get_args(kind) if _is_union(kind) else (kind,)


# --- fields -------------------------------------------------------------------------------------


class _Form(Protocol):
    """How one kind of field stands in JSON."""

    def read(self, source: Fields, name: str, default: Any) -> Any: ...

    def write(self, value: Any) -> Any: ...

    def schema(self, definitions: dict[str, Schema]) -> Schema: ...


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a dataclass; `default` is `...` where the JSON must state it."""

    name: str
    form: _Form
    default: Any


@cache
def fields_of(kind: type) -> tuple[_Field, ...]:
    """List the fields that a dataclass has in JSON.

    Raises:
        TypeError: an annotation that has no form in JSON.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    declared = []
    for field in fields(kind):
        hint, marks = _split(hints[field.name])
        if UNSTATED in marks:
            continue
        given, optional = _without_none(hint)
        default = ... if field.default is MISSING else field.default
        default = None if optional else ... if REQUIRED in marks else default
        form = _form(given, marks, optional=optional)
        if isinstance(form, _Numbers | _Parts) and default is not ...:
            raise TypeError(f"`{field.name}` of {kind.__name__}: arrays have no defaults in JSON")
        declared.append(_Field(field.name, form, default))
    return tuple(declared)


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split an annotation into its type and what is said about it."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return base, tuple(marks)
    return hint, ()


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (typing.Union, types.UnionType)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return a type, and True if it may also be None."""
    members = get_args(hint) if _is_union(hint) else (hint,)
    given = tuple(member for member in members if member is not types.NoneType)
    return (given[0] if len(given) == 1 else typing.Union[given]), len(given) < len(members)  # noqa: UP007


def _form(hint: Any, marks: tuple[Any, ...], *, optional: bool) -> _Form:
    base, inner = _split(hint)
    bounds = next((mark for mark in (*marks, *inner) if isinstance(mark, Between)), None)
    if all(is_dataclass(member) for member in members(base)):
        return _Part(base, optional)
    if get_origin(base) is Literal:
        return _Scalar("choice", (get_args(base),), {"enum": list(get_args(base))}, optional)
    if get_origin(base) is tuple:
        return _row(get_args(base))
    if base is bool and not optional:
        return _Scalar("flag", (), {"type": "boolean"}, optional)
    if base is str:
        return _Scalar("text", (), {"type": "string", "minLength": 1}, optional)
    if base in (int, float) and bounds:
        return _Scalar(_METHODS[base], (bounds.low, bounds.high), _numbers(base, bounds), optional)
    raise TypeError(f"`{hint}` has no form in JSON")


_METHODS = {int: "integer", float: "number"}


def _numbers(base: type, bounds: Between) -> Schema:
    return {"type": _METHODS[base], "minimum": bounds.low, "maximum": bounds.high}


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A number, a text, a flag or one of several values: what one method of `Fields` reads."""

    method: str
    arguments: tuple[Any, ...]
    described: Mapping[str, Any]
    optional: bool

    def read(self, source: Fields, name: str, default: Any) -> Any:
        return getattr(source, self.method)(name, *self.arguments, default)

    def write(self, value: Any) -> Any:
        return value

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        if not self.optional:
            return dict(self.described)
        if "enum" in self.described:
            return {"enum": [*self.described["enum"], None]}
        return {**self.described, "type": [self.described["type"], "null"]}


def _row(members: tuple[Any, ...]) -> _Form:
    """Read an array: of parts, of any number of whole numbers, or of as many numbers as the tuple has."""
    base, marks = _split(members[0])
    if is_dataclass(base):
        return _Parts(base)
    bounds = next((mark for mark in marks if isinstance(mark, Between)), None)
    length = None if members[-1] is ... else len(members)
    if bounds is None or (base, length) not in {(float, 3), *((int, n) for n in (None, *_NUMERALS))}:
        raise TypeError(f"a tuple of {members} has no form in JSON")
    return _Numbers(base, bounds, length)


@dataclass(frozen=True, slots=True)
class _Numbers:
    base: type
    bounds: Between
    length: int | None

    def read(self, source: Fields, name: str, default: Any) -> Any:
        if self.base is float:
            return source.triple(name, self.bounds.low, self.bounds.high)
        values = source.integers(name, int(self.bounds.low), int(self.bounds.high))
        if self.length not in (None, len(values)):
            source.fail(f"`{name}` must hold {_NUMERALS[self.length]} numbers")
        return values

    def write(self, value: Any) -> Any:
        return list(value)

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        length = {} if self.length is None else {"minItems": self.length, "maxItems": self.length}
        return {"type": "array", "items": _numbers(self.base, self.bounds), **length}


@dataclass(frozen=True, slots=True)
class _Part:
    kind: Any
    optional: bool

    def read(self, source: Fields, name: str, default: Any) -> Any:
        child = source.optional_child(name) if self.optional else source.child(name)
        if child is None:
            return None
        value = read(self.kind, child)
        child.done()
        return value

    def write(self, value: Any) -> Any:
        return None if value is None else write(value)

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        one = schema(self.kind, definitions)
        return {"oneOf": [{"type": "null"}, *one.get("oneOf", [one])]} if self.optional else one


@dataclass(frozen=True, slots=True)
class _Parts:
    kind: Any

    def read(self, source: Fields, name: str, default: Any) -> Any:
        return source.each(name, lambda item: read(self.kind, item))

    def write(self, value: Any) -> Any:
        return [write(item) for item in value]

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"type": "array", "items": schema(self.kind, definitions)}
