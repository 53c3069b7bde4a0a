"""JSON for the scripted engine: the smallest instances of a schema, with texts from the prompt.

See JSON Schema 2020-12, "Core" and "Validation". A keyword that it can't obey is an error by name.
"""

import json
import math
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from workers.errors import EngineError

Say = Callable[[], str]
Schema = Mapping[str, Any]
OBEYED: Final = frozenset(
    "$ref $defs definitions const enum anyOf oneOf type properties required additionalProperties "
    "items minItems maxItems minLength maxLength minimum maximum "
    "$schema $id $comment title description default examples".split()
)
SPAN: Final = 99
"""How far numbers reach from their only bound, or from 0."""


def write_json(schema: Schema, rng: random.Random, say: Say) -> str:
    """An instance with the required properties and the fewest items. Raises EngineError."""
    return json.dumps(_Writer(schema, rng, say).instance(schema), ensure_ascii=False)


class _Writer:
    def __init__(self, root: Schema, rng: random.Random, say: Say) -> None:
        self._root = root
        self._rng = rng
        self._say = say

    def instance(self, schema: Schema) -> Any:
        if unknown := set(schema) - OBEYED:
            raise EngineError(f"the scripted engine can't obey {', '.join(sorted(unknown))}")
        if "$ref" in schema:
            return self.instance(self._find(schema["$ref"]))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self.instance(self._rng.choice(choices))
        return self._of_type(schema)

    def _of_type(self, schema: Schema) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = self._rng.choice(kind) if isinstance(kind, list) else kind
        match kind:
            case "object":
                known = schema.get("properties", {})
                return {
                    name: self.instance(known.get(name, {})) for name in schema.get("required", ())
                }
            case "array":
                items = schema.get("items", {})
                return [self.instance(items) for _ in range(schema.get("minItems", 0))]
            case "string":
                return self._text(schema.get("minLength", 0), schema.get("maxLength"))
            case "integer" | "number":
                return self._number(schema, kind)
            case "boolean":
                return self._rng.random() < 0.5
            case _:
                return None

    def _text(self, least: int, most: int | None) -> str:
        text = self._say()
        while len(text) < least:
            text += f" {self._say()}"
        return text[:most]

    def _number(self, schema: Schema, kind: str) -> float:
        low, high = schema.get("minimum"), schema.get("maximum")
        low = (high or SPAN) - SPAN if low is None else low
        high = low + SPAN if high is None else high
        if kind == "number":
            return self._rng.uniform(low, high)
        return self._rng.randint(math.ceil(low), math.floor(high))

    def _find(self, reference: str) -> Schema:
        """What `#/$defs/name` refers to."""
        found: Any = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            found = found[part]
        return found  # type: ignore[no-any-return]
