"""An asynchronous client of the gateway. Every refusal becomes a GatewayError with its detail."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import aiohttp
import orjson

Json = dict[str, Any]

CONNECT_SECONDS = 10
READ_BUFFER_BYTES = 1 << 24
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class GatewayError(Exception):
    """The gateway refused, or can't be reached (`status` 0). `problem` is its RFC 9457 body."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        detail = str(problem.get("detail") or problem.get("title") or "no detail given")
        hint = problem.get("hint")
        super().__init__(f"{detail} ({hint})" if hint else detail)


class GatewayClient:
    """Talks to one gateway; use it as `async with GatewayClient(url) as client`.

    `api_key` is for a gateway that tells its tenants apart.
    Every method raises GatewayError.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. The client can be used again afterwards."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def create_batch(
        self, request: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Json:
        """Ask for a batch; with a key, asking again returns the same one."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return await self._json("POST", "/v1/batches", json=dict(request), headers=headers)

    async def get_batch(self, batch_id: str) -> Json:
        """The batch object: status, counts, cost, stop reason."""
        return await self._json("GET", f"/v1/batches/{batch_id}")

    async def list_batches(self) -> list[Json]:
        """The newest batches first."""
        page = await self._json("GET", "/v1/batches")
        return cast(list[Json], page["data"])

    async def cancel(self, batch_id: str) -> Json:
        """Ask a batch to stop; what was admitted stays."""
        return await self._json("POST", f"/v1/batches/{batch_id}/cancel")

    async def draw_audit(
        self, batch_id: str, count: int | None = None, seed: int | None = None, **query: Any
    ) -> Json:
        """Draw samples of a batch at random, with their texts; asked again, the same ones."""
        asked = {"count": count, "seed": seed}
        body = {name: value for name, value in asked.items() if value is not None}
        return await self._json("POST", f"/v1/batches/{batch_id}/audit", json=body, params=query)

    async def label_audit(
        self, batch_id: str, labels: Mapping[int, bool], *, replace: bool = False, **query: Any
    ) -> Json:
        """Send labels by `seq`, True for right; the audit with its bound."""
        rows = [{"seq": seq, "correct": correct} for seq, correct in labels.items()]
        path = f"/v1/batches/{batch_id}/audit/labels"
        return await self._json(
            "POST", path, json={"labels": rows, "replace": replace}, params=query
        )

    async def audit(self, batch_id: str, **query: Any) -> Json:
        """The audit as it stands, with its bound."""
        return await self._json("GET", f"/v1/batches/{batch_id}/audit", params=query)

    async def wait(self, batch_id: str) -> Json:
        """Return the batch object once it has ended."""
        batch = await self.get_batch(batch_id)
        while batch["status"] not in ENDED:
            async for state in self.events(batch_id):
                batch = state
        return batch

    async def events(self, batch_id: str) -> AsyncGenerator[Json, None]:
        """The batch object at every change, ending with its last state."""
        async with self._open("GET", f"/v1/batches/{batch_id}/events") as response:
            async for line in response.content:
                if line.startswith(b"data:"):
                    yield orjson.loads(line.removeprefix(b"data:"))

    def samples(self, batch_id: str, *, after: int = -1) -> AsyncGenerator[Json, None]:
        """What is admitted by now with a `seq` above `after`, in `seq` order."""
        return self._lines("GET", f"/v1/batches/{batch_id}/samples", params={"after": after})

    async def follow_samples(self, batch_id: str, *, after: int = -1) -> AsyncGenerator[Json, None]:
        """The same, and then every sample as it is admitted, until the batch ends.

        Raises GatewayError when the gateway stops before that; ask again `after` the last `seq`.
        """
        params = {"after": after, "follow": "true"}
        path = f"/v1/batches/{batch_id}/samples"
        async with aclosing(self._lines("GET", path, params=params)) as samples:
            async for sample in samples:
                yield sample
        status = (await self.get_batch(batch_id))["status"]
        if status not in ENDED:
            detail = f"the gateway ended the stream while {batch_id} is {status}"
            raise GatewayError(0, {"title": "stream ended early", "detail": detail})

    def rejects(self, batch_id: str, *, after: int = -1) -> AsyncGenerator[Json, None]:
        """Every rejected or failed candidate by now, with reasons and evidence."""
        return self._lines("GET", f"/v1/batches/{batch_id}/rejects", params={"after": after})

    def generate(self, request: Mapping[str, Any]) -> AsyncGenerator[Json, None]:
        """A few samples at once, as admitted. Closing the iterator cancels the batch."""
        return self._lines("POST", "/v1/samples", json=dict(request))

    async def grade(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        graders: Iterable[str] | None = None,
        model: str | None = None,
    ) -> list[Json]:
        """Grade texts that you have; one result per row, in order. Only a named model is asked."""
        request: Json = {"rows": [dict(row) for row in rows], "model": model}
        if graders is not None:
            request["graders"] = list(graders)
        answer = await self._json("POST", "/v1/grade", json=request)
        return cast(list[Json], answer["data"])

    async def calibrate(
        self, recipe: str, rows: Iterable[Mapping[str, Any]], **options: Any
    ) -> Json:
        """Keep labelled rows as the caller's calibration of a recipe; the calibration, `notices`.

        `options` are the other fields of the request: grader, model, name, confidence, …
        """
        request = {"recipe": recipe, "rows": [dict(row) for row in rows], **options}
        return await self._json("POST", "/v1/calibrations", json=request)

    async def delete_calibration(self, recipe: str) -> Json:
        """Forget the caller's calibration of a recipe; the one configured holds again."""
        return await self._json("DELETE", f"/v1/calibrations/{quote(recipe, safe='')}")

    async def names(self, kind: str) -> list[Json]:
        """What there is of `kind`: models, recipes, graders or calibrations."""
        page = await self._json("GET", f"/v1/{kind}")
        return cast(list[Json], page["data"])

    async def costs(self) -> list[Json]:
        """What the caller's batches have cost, a sum for each tenant and currency."""
        page = await self._json("GET", "/v1/costs")
        return cast(list[Json], page["data"])

    async def ready(self) -> bool:
        """Whether the gateway answers and can take work; never raises."""
        try:
            await self._json("GET", "/readyz")
        except GatewayError:
            return False
        return True

    async def _json(self, method: str, path: str, **options: Any) -> Json:
        async with self._open(method, path, **options) as response:
            return cast(Json, orjson.loads(await response.read()))

    async def _lines(self, method: str, path: str, **options: Any) -> AsyncGenerator[Json, None]:
        async with self._open(method, path, **options) as response:
            async for line in response.content:
                if line.strip():
                    yield orjson.loads(line)

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(
                timeout=timeout, read_bufsize=READ_BUFFER_BYTES, headers=self._headers
            )
        try:
            async with self._session.request(method, self.url + path, **options) as response:
                if response.status >= 400:
                    raise GatewayError(response.status, await _problem(response))
                yield response
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise GatewayError(0, _unreachable(self.url, exc)) from exc


async def _problem(response: aiohttp.ClientResponse) -> Json:
    body = await response.read()
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        problem = None
    if isinstance(problem, dict):
        return problem
    text = body[:200].decode(errors="replace")
    return {"title": response.reason, "detail": f"{response.status} {response.reason}: {text}"}


def _unreachable(url: str, error: Exception) -> Json:
    return {
        "title": "gateway unreachable",
        "detail": f"no answer from {url}: {error or type(error).__name__}",
        "hint": "is `winnow serve` running there?",
    }
