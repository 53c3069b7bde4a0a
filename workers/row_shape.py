"""The types in a row of JSON, and those that fit several rows; pure but for Arrow's names."""

from functools import reduce
from typing import Any

Shape = str | list[Any] | dict[str, Any] | None
"""An Arrow type by name, a list of one shape, fields by name; None where all is null."""
_NAMES = {bool: "bool_", int: "int64", float: "float64", str: "string"}
_NUMBERS = {"int64", "float64"}


class UnlikeTypesError(ValueError):
    """Two values of one field have types that no column can hold together."""


def shape_of(value: Any) -> Shape:
    """The shape of one decoded value. An object without fields says nothing."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()} or None
    if isinstance(value, list):
        return [reduce(merged, map(shape_of, value), None)]
    return None


def merged(one: Shape, other: Shape) -> Shape:
    """The shape that both fit; whole numbers fit among others. Raises UnlikeTypesError."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])]
    if isinstance(one, str) and isinstance(other, str) and {one, other} == _NUMBERS:
        return "float64"
    raise UnlikeTypesError(f"{_told(one)} and {_told(other)}")


def arrow_type(shape: Shape, arrow: Any) -> Any:
    """The shape as a type of `arrow`, which is the module pyarrow."""
    if shape is None:
        return arrow.null()
    if isinstance(shape, str):
        return getattr(arrow, shape)()
    if isinstance(shape, list):
        return arrow.list_(arrow_type(shape[0], arrow))
    return arrow.struct([(name, arrow_type(inner, arrow)) for name, inner in shape.items()])


def _told(shape: Shape) -> str:
    if isinstance(shape, list):
        return "list"
    return "object" if isinstance(shape, dict) else str(shape).rstrip("_")
