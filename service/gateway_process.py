"""A gateway of one's own: a subprocess, a free port, a temporary database; gone at the end."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from service.client import GatewayClient

READY_SECONDS = 120.0
STOP_SECONDS = 15.0
HOST = "127.0.0.1"


class GatewayStartError(Exception):
    """The gateway did not come up; the message holds the end of its log."""


@asynccontextmanager
async def own_gateway(models: Mapping[str, str]) -> AsyncIterator[str]:
    """The address of a fresh gateway, ready to serve; `models` maps names to engine kinds.

    It reads no configuration but this, and is stopped and cleaned up however the block ends;
    should this process be killed, it stops by itself. Raises GatewayStartError.
    """
    with tempfile.TemporaryDirectory(prefix="winnow-") as name:
        folder = Path(name)
        (folder / "winnow.toml").write_text(
            "".join(f'[models.{model}]\nkind = "{kind}"\n' for model, kind in models.items())
        )
        port = _free_port()
        log = folder / "gateway.log"
        process = _start(folder, port, log)
        try:
            await _until_ready(f"http://{HOST}:{port}", process, log)
            yield f"http://{HOST}:{port}"
        finally:
            _stop(process)


def _start(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    """In a session of its own Ctrl-C does not reach it before us; its stdin closes when we die."""
    root = str(Path(__file__).resolve().parents[1])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WINNOW_")}
    path = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "service.cli", "serve", "--host", HOST, "--port", str(port)]
    with log.open("wb") as stream:
        return subprocess.Popen(
            [*command, "--log-level", "warning", "--until-stdin-closes"],
            cwd=folder,
            env={**kept, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


async def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        async with GatewayClient(url) as client, asyncio.timeout(READY_SECONDS):
            while not await client.ready():
                if process.poll() is not None:
                    raise GatewayStartError(f"the gateway ended at once: {_tail(log)}")
                await asyncio.sleep(0.1)
    except TimeoutError as exc:
        late = f"the gateway is not ready after {READY_SECONDS:.0f} s: {_tail(log)}"
        raise GatewayStartError(late) from exc


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:].strip().removeprefix("winnow: ")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
