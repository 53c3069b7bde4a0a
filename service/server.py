"""Runs the gateway under uvicorn: what stops the start is raised, what is running ends in order."""

import logging
import os
import socket
import threading

import uvicorn

from service.app import create_app
from service.deps import runner_of
from service.settings import ConfigurationError, Settings

GRACE_SECONDS = 10
BACKLOG = 2048
STDIN = 0

logger = logging.getLogger(__name__)


def serve_gateway(settings: Settings, *, log_level: str, until_stdin_closes: bool = False) -> None:
    """Serve until a signal comes, or until stdin closes because the process that holds it died.

    Raises ConfigurationError when the address can't be had, and what BatchRunner.start raises.
    """
    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        log_level=log_level,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    with _listen(settings.host, settings.port) as listener:
        if until_stdin_closes:
            threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
        server.run([listener])


class _Server(uvicorn.Server):  # type: ignore[misc]
    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the store first: its refusal reaches the caller, not only the log."""
        await runner_of(self.config.app).start()
        for listener in sockets or []:
            logger.info(
                "serving http://%s:%d, dashboard at /, API at /docs", *listener.getsockname()[:2]
            )
        await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave the batches resumable, which ends the streams that follow them; then close.

        Such a stream lasts as long as its batch and would hold up the shutdown.
        """
        await runner_of(self.config.app).aclose()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).partition(" (")[0]
        why = f"can't listen on {host}:{port}: {reason}"
        raise ConfigurationError(f"{why}; name another by --host or --port") from exc


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    while os.read(STDIN, 1024):
        pass
    server.should_exit = True
