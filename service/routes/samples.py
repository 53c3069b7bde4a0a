"""A few samples at once: one request, NDJSON as they are admitted."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from service.deps import Runner
from service.errors import RequestError
from service.routes.batches import NDJSON
from service.runner import BatchRunner
from service.schemas import SYNCHRONOUS_COUNT, BatchBody, to_spec
from service.streams import follow
from workers.export import encode_row
from workers.ledger_lines import sample_line

router = APIRouter(prefix="/v1", tags=["samples"])


@router.post("/samples", response_class=StreamingResponse)
async def generate(body: BatchBody, runner: Runner) -> StreamingResponse:
    """Up to 50 samples, each sent when it is admitted. A client that goes away ends the batch.

    The header `Winnow-Batch` names the batch, for its account and its rejects.
    """
    if body.count > SYNCHRONOUS_COUNT:
        limit = f"{body.count} is above {SYNCHRONOUS_COUNT}; POST /v1/batches takes more"
        raise RequestError("count", limit)
    spec = await asyncio.to_thread(to_spec, body, runner.settings, runner.recipes)
    record, _ = await runner.submit(spec)
    headers = {"winnow-batch": record.id}
    return StreamingResponse(_lines(runner, record.id), headers=headers, media_type=NDJSON)


async def _lines(runner: BatchRunner, batch_id: str) -> AsyncIterator[bytes]:
    heard_out = False
    try:
        async for row in follow(runner, runner.store.samples, batch_id, -1):
            yield encode_row(sample_line(batch_id, row))
        heard_out = True
    finally:
        if not heard_out:
            runner.cancel_soon(batch_id)
