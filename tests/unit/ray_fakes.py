"""Actors in this process: the real classes behind handles like Ray's, so that no cluster is needed.

A call is a task; a handle that was killed answers as Ray does for an actor that is gone.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from workers.backends import ray_actors, ray_graders, ray_worker
from workers.backends.ray_actors import Health


class Handle:
    """One actor. `make` builds what it hosts, again when it is restarted."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.hosts = make()
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        return _Method(self, name)

    def restart(self) -> None:
        """As Ray does with an actor that died: its state is lost."""
        self.hosts = self._make()


class _Method:
    def __init__(self, handle: Handle, name: str) -> None:
        self._handle, self._name = handle, name

    def remote(self, *args: Any) -> "asyncio.Task[Any]":
        return asyncio.ensure_future(self._call(*args))

    async def _call(self, *args: Any) -> Any:
        hosts = self._handle.hosts
        result = await getattr(hosts, self._name)(*args)
        if self._handle.dead or self._handle.hosts is not hosts:
            raise ActorDiedError
        return result


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have actors be told apart, killed and restarted here instead of by Ray."""

    def end(worker: ray_worker.RayWorker) -> None:
        worker.actor.dead = True

    def kill(handle: Handle, *, no_restart: bool = True) -> None:
        handle.dead = no_restart
        handle.restart()

    monkeypatch.setattr(ray_actors, "_health", lambda in_hand=0: Health("here", 1, in_hand))
    monkeypatch.setattr(ray_worker.RayWorker, "kill", end)
    monkeypatch.setattr(ray_graders.ray, "kill", kill)
