"""The connections to one OpenAI-compatible endpoint: key, proxy, calls, and what it lists."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson

from workers.engines import openai_faults
from workers.engines.config import OpenAIConfig
from workers.errors import EngineUnavailableError

CONNECT_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 4.0
"""Below uvicorn's five seconds, so that no request meets a connection that was just closed."""


class Endpoint:
    """One session of kept-alive connections. Make it inside the event loop that uses it.

    Raises EngineUnavailableError when the API key is missing.
    """

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config
        self._url = config.base_url.rstrip("/")
        self._key = _api_key(config.api_key_env)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(
                limit=config.concurrency, keepalive_timeout=KEEP_ALIVE_S
            ),
            proxy=_proxy(self._url),
        )

    @asynccontextmanager
    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout_s: float,
        least_room: int = 1,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with status 200; leaving before its end hangs up.

        Raises TransientError, NoRoomError and EngineError, as openai_faults.refusal says.
        """
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=body,
                allow_redirects=False,
                timeout=_limit(timeout_s),
            ) as response:
                if response.status != 200:
                    raise self._refusal(response, await response.read(), least_room)
                yield response
        except TimeoutError as exc:
            raise openai_faults.timed_out(timeout_s) from exc
        except aiohttp.InvalidURL as exc:
            raise EngineUnavailableError(f"{self._url} is no address: correct base_url") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise openai_faults.broken_connection(exc, self._url) from exc

    async def models(self, timeout_s: float) -> dict[str, int | None]:
        """The models that it lists, with their context in tokens where it is given (vLLM does).

        Empty when it keeps no list. Raises as `call` does.
        """
        try:
            async with self.call("GET", "/models", timeout_s=timeout_s) as response:
                payload = await response.read()
        except openai_faults.NotThereError:
            return {}
        try:
            rows: Any = orjson.loads(payload)["data"]
            return {str(row["id"]): row.get("max_model_len") for row in rows}
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
            raise openai_faults.malformed(payload, f"{exc!r}") from exc

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    def _refusal(
        self, response: aiohttp.ClientResponse, payload: bytes, least_room: int
    ) -> Exception:
        """What the answer means; an endpoint may repeat the key, and nothing may log that."""
        if self._key:
            payload = payload.replace(self._key.encode(), b"[API key]")
        return openai_faults.refusal(response.status, response.headers, payload, least_room)


@lru_cache
def _limit(timeout_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)


def _api_key(variable: str | None) -> str:
    """The key, empty when none is needed. Raises EngineUnavailableError; never shows the key."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key or not (key.isascii() and key.isprintable()):
        what = "holds no API key" if key else "is not set"
        raise EngineUnavailableError(
            f"the environment variable {variable} {what}: set it to the endpoint's API key"
        )
    return key


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address, looked up once and not per call."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
