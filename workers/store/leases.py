"""Who runs a batch: a lease on its row, which expires when its owner dies.

Expiry is by the clock of whoever asks; machines that share a database should agree on the time
to within a second or two.
"""

import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, case, func, or_, select, update

from workers.errors import BatchBusyError, BatchNotFoundError
from workers.store.schema import batches
from workers.types import Status

_STARTING = (Status.VALIDATING.value, Status.IN_PROGRESS.value, Status.FINALIZING.value)


def claim(connection: Connection, batch_id: str, owner: str, seconds: float) -> None:
    """Take the lease; a batch that has not ended is then in progress, unless being cancelled.

    Raises BatchBusyError while another owner's lease runs.
    """
    now = time.time()
    free = or_(
        batches.c.owner.is_(None), batches.c.owner == owner, batches.c.lease_expires_at <= now
    )
    status = batches.c.status
    claimed = connection.execute(
        update(batches)
        .where(batches.c.id == batch_id, free)
        .values(
            owner=owner,
            lease_expires_at=now + seconds,
            counted_at=None,
            started_at=func.coalesce(batches.c.started_at, now),
            status=case((status.in_(_STARTING), Status.IN_PROGRESS.value), else_=status),
        )
    )
    if claimed.rowcount == 0:
        read_batch(connection, batch_id)
        raise BatchBusyError(f"another process is running {batch_id}")


def start_clock(connection: Connection, batch_id: str) -> None:
    """The batch's time runs from now on; it waits for nothing any more."""
    running = (batches.c.id == batch_id) & batches.c.ended_at.is_(None)
    connection.execute(update(batches).where(running).values(counted_at=time.time(), message=""))


def renew(connection: Connection, batch_id: str, owner: str, seconds: float) -> Status:
    """Prolong the lease. Raises BatchBusyError when it is no longer this owner's."""
    row = require_owner(connection, batch_id, owner)
    connection.execute(
        update(batches)
        .where(batches.c.id == batch_id)
        .values(lease_expires_at=time.time() + seconds, **elapsed_until_now())
    )
    return Status(row["status"])


def release(connection: Connection, batch_id: str, owner: str) -> None:
    """Give the lease back, if this owner still has it."""
    values = {**elapsed_until_now(), "counted_at": None}
    connection.execute(
        update(batches)
        .where(batches.c.id == batch_id, batches.c.owner == owner)
        .values(owner=None, lease_expires_at=None, **values)
    )


def require_owner(connection: Connection, batch_id: str, owner: str | None) -> RowMapping:
    """The batch's row, locked. Raises BatchBusyError when it has another owner than this one.

    An expired lease that nobody took over is still its owner's.
    """
    row = read_batch(connection, batch_id, lock=True)
    if owner is not None and row["owner"] != owner:
        raise BatchBusyError(f"another process took {batch_id} over")
    return row


def read_batch(connection: Connection, batch_id: str, *, lock: bool = False) -> RowMapping:
    """The batch's row. Raises BatchNotFoundError."""
    require_possible(batch_id)
    query = select(batches).where(batches.c.id == batch_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise BatchNotFoundError(f"no batch {batch_id!r}")
    return row


def require_possible(batch_id: str) -> None:
    """Raise BatchNotFoundError for what no database takes for an id: NUL, lone surrogates."""
    if not batch_id.isprintable():
        raise BatchNotFoundError(f"no batch {batch_id!r}")


def elapsed_until_now() -> dict[str, Any]:
    """Column values that count the running time since it was last counted, until it ended.

    Before its clock was started there is none.
    """
    now = time.time()
    counting = batches.c.owner.is_not(None) & batches.c.ended_at.is_(None)
    since: ColumnElement[float] = now - func.coalesce(batches.c.counted_at, now)
    return {
        "elapsed_seconds": batches.c.elapsed_seconds + since,
        "counted_at": case((counting & batches.c.counted_at.is_not(None), now)),
    }
