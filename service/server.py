"""Runs the gateway under uvicorn, ending its streams first when it is told to stop."""

import socket

import uvicorn

from service.app import create_app
from service.deps import runner_of
from service.settings import Settings

GRACE_SECONDS = 10


class GatewayServer(uvicorn.Server):  # type: ignore[misc]
    """Follow streams last as long as their batch; without this they would hold up the shutdown."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave the batches resumable, which ends the streams, then close the connections."""
        await runner_of(self.config.app).aclose()
        await super().shutdown(sockets)


def build_server(settings: Settings, log_level: str = "info") -> GatewayServer:
    """A server for these settings, not yet started; `await server.serve()` or `server.run()`."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level=log_level,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return GatewayServer(config)
