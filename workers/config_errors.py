"""Says what is wrong with a configuration: each key as it stands in the file, and what would do."""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, shape: Any, sign: str) -> str:
    """One line about all that is wrong with what should have been of the type `shape`.

    `sign` stands between a key and its value in such a file: " = " or ": ".
    """
    return "; ".join(_line(item, shape, sign) for item in error.errors())


def _line(item: Mapping[str, Any], shape: Any, sign: str) -> str:
    path, there = _trace(item["loc"], shape)
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        _, holder = _trace(item["loc"][:-1], shape)
        known = ", ".join(getattr(holder, "model_fields", ()))
        return f"{key}: no such key; there are: {known}"
    if item["type"] == "union_tag_not_found":
        name, kinds = _kinds(there)
        return f'{key}: add {name}{sign}"{next(iter(kinds))}"; there are: {", ".join(kinds)}'
    if item["type"] == "union_tag_invalid":
        name, kinds = _kinds(there)
        wrong = item["ctx"]["tag"]
        return f"{'.'.join([*path, name])}: {wrong!r} is none of: {', '.join(kinds)}"
    said = str(item["msg"]).removeprefix("Value error, ")
    return f"{key}: {said}" if key else said


def _trace(location: Sequence[str | int], shape: Any) -> tuple[list[str], Any]:
    """The keys of a place, and the type that belongs there.

    pydantic also names the branch of a union that it took, which stands in no file.
    """
    keys: list[str] = []
    here = _bare(shape)
    for part in location:
        if _is_union(here):
            here = _kinds(here)[1].get(str(part))
        elif part != "[key]":
            keys.append(str(part))
            here = _inside(here, part)
    return keys, here


def _bare(shape: Any) -> Any:
    """The type without what annotates it; of `X | None`, X."""
    if get_origin(shape) is Annotated:
        return _bare(get_args(shape)[0])
    if _is_union(shape):
        branches = [branch for branch in get_args(shape) if branch is not NoneType]
        return _bare(branches[0]) if len(branches) == 1 else shape
    return shape


def _is_union(shape: Any) -> bool:
    return get_origin(shape) in (Union, UnionType)


def _inside(shape: Any, part: str | int) -> Any:
    """The type of what stands under this key, None where any may."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        field = shape.model_fields.get(str(part))
        return _bare(field.annotation) if field else None
    return _bare(get_args(shape)[-1]) if get_args(shape) else None


def _kinds(union: Any) -> tuple[str, dict[str, Any]]:
    """The key that tells the branches of a union apart, such as `kind`, and each by its value."""
    name, branches = "", {}
    for branch in map(_bare, get_args(union)):
        for field, info in getattr(branch, "model_fields", {}).items():
            values = get_args(info.annotation)
            if get_origin(info.annotation) is Literal and len(values) == 1:
                name, branches[values[0]] = field, branch
                break
    return name, branches
