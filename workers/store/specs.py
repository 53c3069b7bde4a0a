"""What batches were asked for: read seldom, kept decoded, never changed."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from workers.store import codec
from workers.store.schema import specs
from workers.types import BatchSpec

KEPT_CHARS = 32 * 2**20


class KnownSpecs:
    """The specs used last, at most `chars` of them as encoded, though always the last one.

    Safe to share among threads.
    """

    def __init__(self, chars: int = KEPT_CHARS) -> None:
        self._most = chars
        self._kept: OrderedDict[str, tuple[BatchSpec, int]] = OrderedDict()
        self._chars = 0
        self._lock = threading.Lock()

    def get(self, batch_id: str) -> BatchSpec | None:
        """The batch's spec, if it is known."""
        with self._lock:
            if batch_id not in self._kept:
                return None
            self._kept.move_to_end(batch_id)
            return self._kept[batch_id][0]

    def keep(self, batch_id: str, encoded: str, spec: BatchSpec | None = None) -> BatchSpec:
        """Know this spec from now on, and forget the ones that were used longest ago."""
        spec = codec.decode_spec(encoded) if spec is None else spec
        with self._lock:
            if batch_id not in self._kept:
                self._kept[batch_id] = spec, len(encoded)
                self._chars += len(encoded)
            while self._chars > self._most and len(self._kept) > 1:
                _, (_, chars) = self._kept.popitem(last=False)
                self._chars -= chars
        return spec

    def of(self, connection: Connection, batch_ids: Iterable[str]) -> Mapping[str, BatchSpec]:
        """The specs of stored batches by id; those that are not known are read."""
        found = {batch_id: self.get(batch_id) for batch_id in batch_ids}
        query = select(specs.c.batch_id, specs.c.spec)
        for batch_id in [batch_id for batch_id, spec in found.items() if spec is None]:
            row = connection.execute(query.where(specs.c.batch_id == batch_id)).one()
            found[batch_id] = self.keep(batch_id, row.spec)
        return {batch_id: spec for batch_id, spec in found.items() if spec is not None}
