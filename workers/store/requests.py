"""How a request for a batch is written: once, for each idempotency key of each tenant."""

import secrets
import time
from typing import Any

from sqlalchemy import Connection, insert, select

from workers.errors import IdempotencyConflictError
from workers.store import codec
from workers.store.schema import batches, specs
from workers.types import BatchSpec, Price, Status


def new_id() -> str:
    """Ids sort by the time of their making."""
    return f"batch_{time.time_ns() // 1000:014x}{secrets.token_hex(4)}"


def stored_key(key: str | None, tenant: str | None) -> str | None:
    """An idempotency key as stored: tenants may use the same, and none can hold a line break."""
    return key if key is None or tenant is None else f"{tenant}\n{key}"


def own_key(stored: str | None) -> str | None:
    """The key as its tenant knows it."""
    return stored and stored.rpartition("\n")[2]


def write(
    connection: Connection,
    batch_id: str,
    spec: BatchSpec,
    encoded: str,
    key: str | None,
    price: Price | None,
    tenant: str | None,
) -> str:
    """Write the batch unless its stored key has made one; the id of the key's batch.

    Raises IdempotencyConflictError.
    """
    known = find(connection, key, codec.request_hash(spec, encoded))
    if known is None and not _is_there(connection, batch_id):
        values = _new_batch(spec, encoded, key, tenant) | _priced(price)
        connection.execute(insert(batches).values(id=batch_id, **values))
        connection.execute(insert(specs).values(batch_id=batch_id, spec=encoded))
    return known or batch_id


def find(connection: Connection, key: str | None, request_hash: str) -> str | None:
    """The batch that a stored key has made. Raises IdempotencyConflictError for another request."""
    if key is None:
        return None
    query = select(batches.c.id, batches.c.request_hash).where(batches.c.idempotency_key == key)
    found = connection.execute(query).first()
    if found is None:
        return None
    if found.request_hash != request_hash:
        raise IdempotencyConflictError(
            f"the idempotency key {own_key(key)!r} belongs to {found.id}, which was another "
            "request: send a new key"
        )
    return str(found.id)


def _is_there(connection: Connection, batch_id: str) -> bool:
    """Whether it was written already, by a transaction whose end nobody heard of."""
    query = select(batches.c.id).where(batches.c.id == batch_id)
    return connection.execute(query).first() is not None


def _new_batch(
    spec: BatchSpec, encoded: str, key: str | None, tenant: str | None
) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "tenant": tenant,
        "request_hash": codec.request_hash(spec, encoded),
        "status": Status.VALIDATING.value,
        "created_at": time.time(),
        "total": spec.count,
    }


def _priced(price: Price | None) -> dict[str, Any]:
    if price is None:
        return {}
    return {"price_per_engine_hour": price.per_engine_hour, "currency": price.currency}
