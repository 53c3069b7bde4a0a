"""A few samples at once: one request, NDJSON as they are admitted."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.deps import Caller, Runner
from service.errors import RequestError, StreamBrokenError
from service.negotiation import NDJSON, chosen
from service.runner import BatchRunner
from service.schemas import SYNCHRONOUS_COUNT, BatchBody
from service.specs import spec_of
from service.streams import follow
from workers.export import encode_row
from workers.ledger_lines import sample_line
from workers.types import Status

router = APIRouter(prefix="/v1", tags=["samples"])


@router.post("/samples", response_class=StreamingResponse)
async def generate(
    body: BatchBody, request: Request, runner: Runner, tenant: Caller
) -> StreamingResponse:
    """Up to 50 samples, each sent when it is admitted. A client that goes away ends the batch.

    The header `Winnow-Batch` names the batch, for its account and its rejects. The stream breaks
    off, without the end of its last chunk, when the batch does not complete: where a shortfall was
    not allowed, or the batch was cancelled, or the gateway stops, which cancels it.
    """
    chosen(request, [NDJSON])
    if body.count > SYNCHRONOUS_COUNT:
        limit = f"{body.count} is above {SYNCHRONOUS_COUNT}; POST /v1/batches takes more"
        raise RequestError("count", limit)
    spec = await spec_of(body, runner, tenant)
    record, _ = await runner.submit(spec, tenant=tenant)
    return _SamplesOf(record.id, runner)


class _SamplesOf(StreamingResponse):
    """The samples of one batch, which lives no longer than this response."""

    def __init__(self, batch_id: str, runner: BatchRunner) -> None:
        self._batch_id, self._runner = batch_id, runner
        self._served = False
        runner.tie(batch_id)
        super().__init__(self._lines(), headers={"winnow-batch": batch_id}, media_type=NDJSON)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._runner.untie(self._batch_id, served=self._served)

    async def _lines(self) -> AsyncIterator[bytes]:
        async for row in follow(self._runner, self._runner.store.samples, self._batch_id, -1):
            yield encode_row(sample_line(self._batch_id, row))
        self._served = True
        record = await self._runner.record(self._batch_id)
        if record.status is not Status.COMPLETED:
            raise StreamBrokenError(f"{self._batch_id} is {record.status}: {record.message}")
