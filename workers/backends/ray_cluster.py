"""This process's connection to a Ray cluster, made once, and what Ray's errors mean here."""

import asyncio
import logging
import os
import threading
from typing import ClassVar

import ray
from ray.exceptions import RayTaskError

from workers.errors import EngineUnavailableError
from workers.shared_work import SharedWork


class RayCluster:
    """Connects when it is first needed. A connection that was there before is used and kept.

    A process has one connection to Ray; the last of those who use it ends it. A caller that is
    cancelled leaves a connection that is being made to the others.
    """

    _users: ClassVar[set["RayCluster"]] = set()
    _ours: ClassVar[bool] = False
    _one_at_a_time: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._connecting = SharedWork("connect to Ray", self._connect)

    async def connect(self) -> None:
        """Raises EngineUnavailableError when no cluster answers at the address."""
        if self not in RayCluster._users or not ray.is_initialized():
            await self._connecting.run()

    async def aclose(self) -> None:
        """Disconnect, and end a cluster that Ray started for this process alone."""
        await self._connecting.wait()
        await asyncio.to_thread(self._leave)

    async def _connect(self) -> None:
        # A thread of its own: in the main one Ray would take the signal handlers over.
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        with RayCluster._one_at_a_time:
            if not ray.is_initialized():
                connect_to(self._address)
                RayCluster._ours = True
            RayCluster._users.add(self)

    def _leave(self) -> None:
        with RayCluster._one_at_a_time:
            RayCluster._users.discard(self)
            if RayCluster._ours and not RayCluster._users:
                RayCluster._ours = False
                ray.shutdown()


def cause(error: BaseException) -> BaseException:
    """What was raised in an actor, without Ray around it; other errors as they are."""
    return error.cause if isinstance(error, RayTaskError) and error.cause else error


def connect_to(address: str | None) -> None:
    """`ray.init` with its errors translated. Raises EngineUnavailableError."""
    # Ray's coming behaviour, chosen now: it leaves the GPUs of actors that ask for none alone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as exc:
        where = address or os.environ.get("RAY_ADDRESS") or "a cluster of its own"
        reason = str(exc).strip().partition("\n")[0]
        raise EngineUnavailableError(
            f"no Ray cluster at {where}: {reason}; start one with `ray start --head`, or mend "
            "backend.address"
        ) from exc
