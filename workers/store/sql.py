"""The store: batches written once, ledgers that only grow, one transaction per admission."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection, select, update

from graders.config import NoveltyConfig
from graders.gate import Gate
from graders.novelty import ProtectedTexts
from graders.novelty.embedding import Embedder
from graders.types import Candidate
from workers.errors import SpecError, StoreError
from workers.store import admission, codec, leases, novelty, requests, rows
from workers.store import protected as protection
from workers.store.audits import Audits
from workers.store.calibrations import Calibrations
from workers.store.connection import Database
from workers.store.migrations import migrate
from workers.store.outlook import NoveltyOfStore, OutlookChangedError
from workers.store.protected import ProtectedSet
from workers.store.records import UNFINISHED, BatchRecord, Spending
from workers.store.schema import batches, candidates, schema_version
from workers.store.specs import KnownSpecs
from workers.types import (
    BatchSpec,
    LedgerRow,
    Outcome,
    Price,
    Produced,
    Progress,
    Status,
    StopReason,
)

_CANCELLABLE = (Status.VALIDATING, Status.IN_PROGRESS)
THREADS = 8
_PRICED = ("price_per_engine_hour", "currency")

Given = ParamSpec("Given")
Result = TypeVar("Result")


class SqlStore:
    """Batches, ledgers and the novelty index of one database; safe to share among threads.

    `url` is SQLAlchemy's: `sqlite:///winnow.db`, `postgresql+psycopg://user@host/name`. Every
    method blocks (an event loop has it called by `call`). They raise StoreError when the database
    refuses, StoreFullError when the disk is full, BatchNotFoundError for an unknown id. Opening
    raises StoreError for a file that is no database or one that a newer Winnow wrote,
    GraderConfigError when `config` demands embeddings that are not installed. Without an
    `embedder`, texts are embedded as `config` has it.
    """

    def __init__(
        self,
        url: str,
        config: NoveltyConfig | None = None,
        embedder: Callable[[], Embedder] | None = None,
    ) -> None:
        self._database = Database(url)
        self._specs = KnownSpecs()
        self._closed = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self.audits = Audits(self._database, self._specs)
        self.calibrations = Calibrations(self._database)
        try:
            self._database.write(_bring_up_to_date)
            self.novelty = NoveltyOfStore(url, self._database, config or NoveltyConfig(), embedder)
        except BaseException:
            self._database.close()
            raise

    async def call(
        self, method: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """Call a method of this store or its parts, in threads that nothing else keeps busy.

        Grading fills the event loop's own threads; a lease is renewed and a batch is read in time
        all the same. Raises StoreError once the store is closed.
        """
        if self._closed:
            raise StoreError("the store is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(method, *args, **kwargs))

    def close(self) -> None:
        """Wait for calls under way, then close the connections."""
        self._closed = True
        self._threads.shutdown(cancel_futures=True)
        self.novelty.close()
        self._database.close()

    def create_batch(
        self,
        spec: BatchSpec,
        idempotency_key: str | None = None,
        price: Price | None = None,
        tenant: str | None = None,
    ) -> tuple[BatchRecord, bool]:
        """Write a request once; False when the tenant's key had made this batch before.

        The batch is accounted for at `price`, whatever holds later. Raises
        IdempotencyConflictError when the key was used with another request, SpecError when a
        budget of money has no price.
        """
        if spec.budget.max_money is not None and price is None:
            raise SpecError("max_money needs a price per engine-hour")
        encoded = codec.encode_spec(spec)
        new_id = requests.new_id()
        key = requests.stored_key(idempotency_key, tenant)
        write = partial(
            requests.write,
            batch_id=new_id, spec=spec, encoded=encoded, key=key, price=price, tenant=tenant,
        )  # fmt: skip
        batch_id = self._database.write(write)
        if batch_id == new_id:
            self._specs.keep(batch_id, encoded, spec)
        return self.get_batch(batch_id), batch_id == new_id

    def find_by_key(
        self, spec: BatchSpec, idempotency_key: str, tenant: str | None = None
    ) -> BatchRecord | None:
        """The batch that this tenant's key made, if it made one.

        Raises IdempotencyConflictError when that was another request.
        """
        request = codec.request_hash(spec)
        key = requests.stored_key(idempotency_key, tenant)
        known = self._database.read(lambda at: requests.find(at, key, request))
        return None if known is None else self.get_batch(known)

    def get_batch(self, batch_id: str) -> BatchRecord:
        """One batch as it stands."""

        def work(connection: Connection) -> BatchRecord:
            row = leases.read_batch(connection, batch_id)
            return rows.batch_record(row, self._specs.of(connection, [batch_id])[batch_id])

        return self._database.read(work)

    def list_batches(
        self, limit: int = 20, after: str | None = None, tenant: str | None = None
    ) -> list[BatchRecord]:
        """The newest batches first, of one tenant or of all.

        `after` is the id of the last one of the page before.
        """
        if after is not None:
            leases.require_possible(after)
        query = select(batches).order_by(batches.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(batches.c.id < after)
        if tenant is not None:
            query = query.where(batches.c.tenant == tenant)

        def work(connection: Connection) -> list[BatchRecord]:
            found = connection.execute(query).mappings().all()
            known = self._specs.of(connection, [row["id"] for row in found])
            return [rows.batch_record(row, known[row["id"]]) for row in found]

        return self._database.read(work)

    def has_tenants(self) -> bool:
        """Whether any batch was asked for by a tenant."""
        query = select(batches.c.id).where(batches.c.tenant.is_not(None)).limit(1)
        return self._database.read(lambda connection: connection.execute(query).first()) is not None

    def unfinished(self) -> list[str]:
        """The ids of batches to be run or resumed, the oldest first."""
        query = select(batches.c.id).where(batches.c.status.in_([s.value for s in UNFINISHED]))
        query = query.order_by(batches.c.id)
        return self._database.read(lambda connection: list(connection.execute(query).scalars()))

    def check(self) -> None:
        """Raise StoreError unless the database answers."""
        self._database.read(lambda connection: connection.execute(select(schema_version)).one())

    def claim(self, batch_id: str, owner: str, seconds: float = 10.0) -> BatchRecord:
        """Take the batch's lease. Raises BatchBusyError while another owner's runs."""
        self._database.write(lambda connection: leases.claim(connection, batch_id, owner, seconds))
        return self.get_batch(batch_id)

    def renew(self, batch_id: str, owner: str, seconds: float = 10.0) -> Status:
        """Prolong the lease. Raises BatchBusyError when another owner has it."""
        return self._database.write(
            lambda connection: leases.renew(connection, batch_id, owner, seconds)
        )

    def start_clock(self, batch_id: str, owner: str) -> Progress:
        """Count the time that the batch runs, from now until its lease is given back or it ends.

        Raises BatchBusyError when another owner has the lease.
        """

        def work(connection: Connection) -> Progress:
            row = leases.require_owner(connection, batch_id, owner)
            leases.start_clock(connection, batch_id)
            return rows.progress(row)

        return self._database.write(work)

    def note(self, batch_id: str, message: str, owner: str) -> None:
        """Say in `message` what a batch waits for. Raises BatchBusyError as `renew` does."""

        def work(connection: Connection) -> None:
            leases.require_owner(connection, batch_id, owner)
            values = {"message": codec.storable(message)}
            connection.execute(update(batches).where(batches.c.id == batch_id).values(values))

        self._database.write(work)

    def release(self, batch_id: str, owner: str) -> None:
        """Give the lease back; nothing happens when it is another's."""
        self._database.write(lambda connection: leases.release(connection, batch_id, owner))

    def admit(
        self,
        batch_id: str,
        produced: Sequence[Produced],
        *,
        room: int,
        gate: Gate,
        novelty_text: Callable[[Candidate], str],
        protected: Sequence[ProtectedTexts] = (),
        owner: str | None = None,
    ) -> list[LedgerRow]:
        """Give each candidate its final word, in `seq` order, in one transaction.

        At most `room` are accepted. `gate` decides again with the novelty grade, which compares
        `novelty_text(candidate)` with everything ever admitted to the database and with
        `protected`. With `owner`, raises BatchBusyError when the lease is another's. Raises
        StoreError when `produced` does not continue the ledger without a gap.
        """
        while True:
            outlook = self.novelty.outlook(protected)
            chunk = admission.prepare(produced, novelty_text, outlook)
            admit = partial(
                admission.admit,
                batch_id=batch_id, chunk=chunk, room=room, gate=gate, outlook=outlook, owner=owner,
            )  # fmt: skip
            with suppress(OutlookChangedError):
                return self._database.write(_told_when_repeated(admit))

    def protect(self, name: str, items: Sequence[tuple[str, str]]) -> ProtectedSet:
        """Protect a set of (label, text): from now on nothing like them is admitted.

        Raises StoreError when there is a set of this name.
        """
        self.novelty.protect(name, items)
        return next(each for each in self.protected_sets() if each.name == name)

    def unprotect(self, name: str) -> None:
        """Forget a protected set. Raises StoreError when there is none of this name."""
        self._database.write(lambda connection: protection.remove(connection, name))

    def protected_sets(self) -> list[ProtectedSet]:
        """All protected sets by name."""
        return self._database.read(protection.listed)

    def progress(self, batch_id: str) -> Progress:
        """The counters, which change in the same transaction as the ledger."""
        row = self._database.read(lambda connection: leases.read_batch(connection, batch_id))
        return rows.progress(row)

    def spendings(self, tenant: str | None = None) -> list[Spending]:
        """What each batch, of one tenant or of all, has counted; the oldest first."""
        names = (*rows.COUNTERS, *_PRICED, "rejected_by", "tenant")
        query = select(*(batches.c[name] for name in names)).order_by(batches.c.id)
        if tenant is not None:
            query = query.where(batches.c.tenant == tenant)
        found = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [Spending(row["tenant"], rows.progress(row), rows.price(row)) for row in found]

    def outcomes(self, batch_id: str) -> list[tuple[str, Outcome, str | None]]:
        """Source id, outcome and error of every row of the ledger, in `seq` order."""
        columns = candidates.c.source_id, candidates.c.outcome, candidates.c.error
        query = select(*columns).where(candidates.c.batch_id == batch_id)
        found = self._database.read(
            lambda connection: connection.execute(query.order_by(candidates.c.seq)).all()
        )
        return [(source_id, Outcome(outcome), error) for source_id, outcome, error in found]

    def samples(self, batch_id: str, after_seq: int = -1, limit: int = 1000) -> list[LedgerRow]:
        """Accepted rows in `seq` order, from the one after `after_seq`."""
        return self._rows(batch_id, (Outcome.ACCEPTED,), after_seq, limit)

    def rejects(self, batch_id: str, after_seq: int = -1, limit: int = 1000) -> list[LedgerRow]:
        """Rejected and failed rows in `seq` order, from the one after `after_seq`."""
        return self._rows(batch_id, (Outcome.REJECTED, Outcome.FAILED), after_seq, limit)

    def set_status(
        self,
        batch_id: str,
        status: Status,
        *,
        stop_reason: StopReason | None = None,
        message: str = "",
        owner: str | None = None,
    ) -> None:
        """Write where the batch stands; an end also gets its time.

        With `owner`, raises BatchBusyError when the lease is another's.
        """
        ended = None if status in UNFINISHED else time.time()
        values = {
            **leases.elapsed_until_now(),
            "status": status.value,
            "stop_reason": stop_reason,
            "message": codec.storable(message),
            "ended_at": ended,
        }
        if ended is not None:
            values["counted_at"] = None

        def work(connection: Connection) -> None:
            leases.require_owner(connection, batch_id, owner)
            connection.execute(update(batches).where(batches.c.id == batch_id).values(**values))

        self._database.write(work)

    def request_cancel(self, batch_id: str) -> BatchRecord:
        """Ask whoever runs the batch, or will, to stop; nothing happens to one that has ended."""

        def work(connection: Connection) -> None:
            leases.read_batch(connection, batch_id, lock=True)
            cancellable = batches.c.status.in_([status.value for status in _CANCELLABLE])
            connection.execute(
                update(batches)
                .where(batches.c.id == batch_id, cancellable)
                .values(status=Status.CANCELLING.value)
            )

        self._database.write(work)
        return self.get_batch(batch_id)

    def _rows(
        self, batch_id: str, outcomes: Sequence[Outcome], after_seq: int, limit: int
    ) -> list[LedgerRow]:
        query = (
            select(candidates)
            .where(candidates.c.batch_id == batch_id, candidates.c.seq > after_seq)
            .where(candidates.c.outcome.in_([outcome.value for outcome in outcomes]))
            .order_by(candidates.c.seq)
            .limit(limit)
        )

        def work(connection: Connection) -> list[LedgerRow]:
            found = connection.execute(query).mappings().all()
            if not found:
                return []
            spec = self._specs.of(connection, [batch_id])[batch_id]
            sources = {source.id: source for source in spec.sources}
            return [rows.ledger_row(row, sources) for row in found]

        return self._database.read(work)


def _told_when_repeated(admit: Callable[..., list[LedgerRow]]) -> Callable[..., list[LedgerRow]]:
    attempts = count()
    return lambda connection: admit(connection, repeated=next(attempts) > 0)


def _bring_up_to_date(connection: Connection) -> None:
    migrate(connection)
    novelty.bring_up_to_date(connection)
