"""The attention cache of a batch that rows join and leave while it runs.

Keys and values are views of a larger store, rows by heads by columns by width. Every row ends at
the same column, so a step writes one column and copies nothing; rows differ in where they begin.
"""

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

SPARE = 64


class SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer: `rows` live rows in the columns `low` to `high` of the store."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.store: tuple[Tensor, Tensor] | None = None
        self.rows = self.low = self.high = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append one column. The model calls this in every step."""
        store = self._reserve(self.rows, self.high - self.low, 1, key_states)
        for part, new in zip(store, (key_states, value_states), strict=True):
            part[: self.rows, :, self.high : self.high + 1] = new
        self.high += 1
        return self._show()

    def join(self, keys: Tensor, values: Tensor) -> None:
        """Add rows below those that run; theirs end at the same column."""
        added, length = keys.shape[0], keys.shape[2]
        store = self._reserve(self.rows + added, max(self.high - self.low, length), SPARE, keys)
        for part, new in zip(store, (keys, values), strict=True):
            part[self.rows : self.rows + added, :, self.high - length : self.high] = new
        self.rows += added
        self.low = min(self.low, self.high - length)
        self._show()

    def leave(self, moves: list[tuple[int, int]], rows: int, length: int) -> None:
        """Keep `rows` rows of at most `length` columns; `moves` are pairs (to, from)."""
        assert self.store is not None
        for part in self.store:
            for to, origin in moves:
                part[to, :, self.low : self.high] = part[origin, :, self.low : self.high]
        self.rows, self.low = rows, self.high - length
        self._show()

    def _reserve(self, rows: int, columns: int, spare: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """The store, made larger if `rows` by `columns` and `spare` more don't fit."""
        if self.store is not None:
            held_rows, _, held_columns, _ = self.store[0].shape
            if rows <= held_rows and columns <= self.high and self.high + spare <= held_columns:
                return self.store
            rows = rows if rows <= held_rows else 2 * rows
        shape = (rows, like.shape[1], columns + columns // 2 + SPARE, like.shape[3])
        fresh = like.new_zeros(shape), like.new_zeros(shape)
        if self.store is not None and self.rows:
            for part, old in zip(fresh, self.store, strict=True):
                part[: self.rows, :, columns - (self.high - self.low) : columns] = old[
                    : self.rows, :, self.low : self.high
                ]
        self.low, self.high = columns - (self.high - self.low), columns
        self.store, self.is_initialized = fresh, True
        self.dtype, self.device = like.dtype, like.device
        return fresh

    def _show(self) -> tuple[Tensor, Tensor]:
        assert self.store is not None
        keys, values = (part[: self.rows, :, self.low : self.high] for part in self.store)
        self.keys, self.values = keys, values
        return keys, values


def new_cache() -> Cache:
    """An empty cache of slot layers, one per layer of whatever model fills it."""
    return Cache(layer_class_to_replicate=SlotLayer)


def join(cache: Cache, group: Cache) -> None:
    """Add the rows of a freshly prefilled `group`."""
    while len(cache.layers) < len(group.layers):
        cache.layers.append(SlotLayer())
    for layer, new in zip(cache.layers, group.layers, strict=True):
        layer.join(new.keys, new.values)


def leave(cache: Cache, moves: list[tuple[int, int]], rows: int, length: int) -> None:
    """Keep `rows` rows, moved as told, of at most `length` columns."""
    for layer in cache.layers:
        layer.leave(moves, rows, length)


def padding_mask(lengths: list[int], device: torch.device) -> Tensor:
    """1 where a left-padded row of that length has a token: [rows, longest]."""
    longest = max(lengths)
    begin = torch.tensor([longest - n for n in lengths], device=device)
    return (torch.arange(longest, device=device) >= begin.unsqueeze(-1)).long()
