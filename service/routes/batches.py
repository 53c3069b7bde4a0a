"""Batches: ask for one, see how far it is, read what passed and what did not, stop it."""

import tempfile
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from service.deps import BatchOfCaller, Caller, Runner
from service.negotiation import NDJSON, PARQUET, chosen
from service.runner import BatchRunner
from service.schemas import BatchBody
from service.specs import spec_of
from service.streams import Fetch, follow, read, read_all, states
from service.views import batch_object
from workers.export import encode_row, write_rows
from workers.ledger_lines import reject_line, sample_line
from workers.types import LedgerRow

VARY = {"vary": "accept"}

router = APIRouter(prefix="/v1/batches", tags=["batches"])

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]
After = Annotated[
    int, Query(description="only rows with a greater `seq`: resume here", ge=-1, lt=2**31)
]


@router.post("", status_code=201, responses={200: {"description": "the key's own batch"}})
async def create(
    body: BatchBody,
    runner: Runner,
    tenant: Caller,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Ask for `count` samples that pass.

    201 with the new batch. The same request under the same `Idempotency-Key` again: 200 with the
    same batch; another request under that key: 409.
    """
    spec = await spec_of(body, runner, tenant, idempotency_key=idempotency_key)
    record, created = await runner.submit(spec, idempotency_key, tenant)
    response.status_code = 201 if created else 200
    response.headers["location"] = f"/v1/batches/{record.id}"
    return batch_object(record)


@router.get("")
async def list_batches(
    runner: Runner,
    tenant: Caller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(description="the last id of the page before")] = None,
) -> dict[str, Any]:
    """Batches, the newest first."""
    records = await runner.store.call(
        runner.store.list_batches, limit=limit + 1, after=after, tenant=tenant
    )
    page = records[:limit]
    return {
        "object": "list",
        "data": [batch_object(record) for record in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": len(records) > limit,
    }


@router.get("/{batch_id}")
async def get(batch: BatchOfCaller) -> dict[str, Any]:
    """Status, counts, cost, and why it stopped."""
    return batch_object(batch)


@router.post("/{batch_id}/cancel")
async def cancel(batch: BatchOfCaller, runner: Runner) -> dict[str, Any]:
    """Stop drawing. What was admitted stays; a batch that has ended is returned as it is."""
    return batch_object(await runner.cancel(batch.id))


@router.get("/{batch_id}/samples", response_class=StreamingResponse)
async def samples(
    batch: BatchOfCaller,
    request: Request,
    runner: Runner,
    follow_: Annotated[bool, Query(alias="follow", description="stream until it ends")] = False,
    after: After = -1,
) -> Response:
    """What was admitted, in `seq` order: NDJSON, or Parquet by `Accept`.

    With `follow` each sample comes as it is admitted, as NDJSON, until the batch ends; the stream
    breaks off, without the end of its last chunk, when the gateway stops before that.
    """
    parquet = find_spec("pyarrow") is not None and not follow_
    media_type = chosen(request, [NDJSON, PARQUET] if parquet else [NDJSON])
    if media_type == PARQUET:
        return await _parquet(runner, batch.id, after)
    rows = _rows(runner, runner.store.samples, batch.id, after, follow_)
    return _ndjson(encode_row(sample_line(batch.id, row)) async for row in rows)


@router.get("/{batch_id}/rejects", response_class=StreamingResponse)
async def rejects(
    batch: BatchOfCaller,
    request: Request,
    runner: Runner,
    follow_: Annotated[bool, Query(alias="follow")] = False,
    after: After = -1,
) -> Response:
    """What was kept out or failed, with every reason and its evidence; NDJSON in `seq` order."""
    chosen(request, [NDJSON])
    rows = _rows(runner, runner.store.rejects, batch.id, after, follow_)
    return _ndjson(encode_row(reject_line(batch.id, row)) async for row in rows)


@router.get("/{batch_id}/events", response_class=EventSourceResponse)
async def events(batch: BatchOfCaller, runner: Runner) -> EventSourceResponse:
    """Server-sent events named `progress`, each the batch object; the last one is named `end`."""
    return EventSourceResponse(_events(runner, batch.id))


async def _events(runner: BatchRunner, batch_id: str) -> AsyncIterator[ServerSentEvent]:
    last = None
    async for record in states(runner, batch_id):
        if record != last:
            last = record
            data = orjson.dumps(batch_object(record)).decode()
            yield ServerSentEvent(data, event="end" if record.ended_at else "progress")


def _rows(
    runner: BatchRunner, fetch: Fetch, batch_id: str, after: int, following: bool
) -> AsyncIterator[LedgerRow]:
    if following:
        return follow(runner, fetch, batch_id, after)
    return read(runner.store, fetch, batch_id, after)


def _ndjson(lines: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(lines, media_type=NDJSON, headers=VARY)


async def _parquet(runner: BatchRunner, batch_id: str, after: int) -> Response:
    """A file of its own, written page by page and gone when it was sent."""
    folder = tempfile.TemporaryDirectory(prefix="winnow-")
    path = Path(folder.name) / f"{batch_id}.parquet"
    rows = read_all(runner.store.samples, batch_id, after)
    try:
        lines = (sample_line(batch_id, row) for row in rows)
        await run_in_threadpool(write_rows, str(path), lines)
    except BaseException:
        folder.cleanup()
        raise
    sent = BackgroundTask(folder.cleanup)
    return FileResponse(path, media_type=PARQUET, filename=path.name, headers=VARY, background=sent)
