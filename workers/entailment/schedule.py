"""Composes the training run: which rows, how often, in what order, in which batches.

Made claims come first, claims labelled by people grow towards the end and come several times.
Every row is laid out once, against the premise that retrieval gives it.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graders.entailment.encoding import Encoding, encode
from graders.entailment.premise import BUDGET, SourceIndex
from workers.entailment.labelled import LabelledClaim, read_claims
from workers.entailment.places import place_claims
from workers.entailment.split import is_dev
from workers.entailment.synthetic import (
    corrupted,
    document_claims,
    read_documents,
    sheet_claims,
    untold,
)

REPEATS: Final = {
    "ragtruth": (1, 4),
    "summedits": (2, 2),
    "wice": (3, 2),
    "wice_spans": (2, 2),
    "bump": (1, 2),
    "fever_symmetric": (3, 3),
}
"""How often a supported and an unsupported claim of each set is shown in a full round."""
SHORT_BUDGETS: Final = (60, 90, 90, 120, BUDGET)
"""Premises of made claims: short ones cost less time to learn from."""
CHUNK: Final = 640
MAX_ROWS: Final = 32


@dataclass(frozen=True, slots=True)
class Row:
    """One input with its targets; `blame` is 0/1 per claim token, -1 where not known."""

    encoding: Encoding
    supported: bool
    blame: NDArray[np.float32]
    dataset: str
    group: str


@dataclass(frozen=True, slots=True)
class Mix:
    """How many made claims of each kind a round holds, and the share of REPEATS it shows."""

    documents: int
    sheets: int
    responses: int
    places: int
    labelled: float

    def scaled(self, scale: float) -> "Mix":
        """The same mix, shorter."""
        made = (self.documents, self.sheets, self.responses, self.places)
        documents, sheets, responses, places = (round(count * scale) for count in made)
        return Mix(documents, sheets, responses, places, self.labelled * scale)


ROUNDS: Final = (Mix(7000, 3000, 1600, 0, 1.0), Mix(1600, 500, 1200, 2500, 0.3))
"""The mixes that the shipped model was trained on, one after the other."""


def lay_out(claim: LabelledClaim, tokenizer: Any, budget: int = BUDGET) -> Row:
    """The row of a claim, against the premise its source gives for it."""
    premise = _index(claim.source).premise(claim.text, claim.context, budget)
    encoding = encode(tokenizer, premise.text, claim.context, claim.text)
    return Row(encoding, claim.supported, _blame(claim, encoding), claim.dataset, claim.group)


@lru_cache(maxsize=512)
def _index(source: str) -> SourceIndex:
    return SourceIndex(source)


def _blame(claim: LabelledClaim, encoding: Encoding) -> NDArray[np.float32]:
    blame = np.full(len(encoding.offsets), -1.0, np.float32)
    if claim.spans is not None:
        blame[:] = 0.0
        for i, (low, high) in enumerate(encoding.offsets):
            if any(low < end and start < high for start, end in claim.spans):
                blame[i] = 1.0
    return blame


def compose(data: Path, tokenizer: Any, seed: int, mix: Mix) -> tuple[list[Row], list[Row]]:
    """The rows of a round in the order to learn them, and the rows that watch it.

    Raises DataFolderError.
    """
    rng = random.Random(seed)
    claims = read_claims(data)
    watch = [claim for claim in claims if is_dev(claim.source)]
    claims = [claim for claim in claims if not is_dev(claim.source)]
    placed = list(_placed_real(claims, rng, mix.labelled))
    made = _made(data, claims, rng, mix)
    placed += [(rng.random() * 0.75, claim, rng.choice(SHORT_BUDGETS)) for claim in made]
    placed.sort(key=lambda item: item[0])
    rows = [lay_out(claim, tokenizer, budget) for _, claim, budget in placed]
    return rows, [lay_out(claim, tokenizer) for claim in watch]


def _placed_real(
    claims: Sequence[LabelledClaim], rng: random.Random, share: float
) -> Iterator[tuple[float, LabelledClaim, int]]:
    """Each claim at as many places of the run as it is to be shown, the places spread out."""
    for claim in claims:
        repeats = REPEATS[claim.dataset][0 if claim.supported else 1]
        for turn in range(repeats):
            if rng.random() < share:
                yield 0.12 + 0.88 * (turn + rng.random()) / repeats, claim, BUDGET


def _made(
    data: Path, claims: Sequence[LabelledClaim], rng: random.Random, mix: Mix
) -> list[LabelledClaim]:
    made = list(islice(document_claims(read_documents(data), rng), mix.documents))
    made += islice(sheet_claims(rng), mix.sheets)
    made += islice(place_claims(rng), mix.places)
    return made + list(_of_responses(claims, rng, mix.responses))


def _of_responses(
    claims: Iterable[LabelledClaim], rng: random.Random, count: int
) -> list[LabelledClaim]:
    """Supported sentences of real responses, corrupted or held against another source."""
    good = [c for c in claims if c.supported and c.dataset in ("ragtruth", "summedits", "bump")]
    made: list[LabelledClaim] = []
    for _ in range(4 * count if len(good) > 1 else 0):
        if len(made) >= count:
            break
        claim, other = rng.sample(good, 2)
        if rng.random() < 0.8:
            made += corrupted(
                claim.dataset, claim.source, claim.context, claim.text, other.source, rng
            )
        else:
            made += untold(claim.dataset, other.source, claim.context, claim.text)
    return made


def batches(rows: Sequence[Row], tokens: int, seed: int) -> list[list[Row]]:
    """Batches of at most `tokens` padded tokens, of rows of like length from one stretch."""
    rng = random.Random(seed)
    made: list[list[Row]] = []
    for low in range(0, len(rows), CHUNK):
        stretch = sorted(rows[low : low + CHUNK], key=lambda row: len(row.encoding.ids))
        parts: list[list[Row]] = [[]]
        for row in stretch:
            full = (len(parts[-1]) + 1) * len(row.encoding.ids) > tokens
            if parts[-1] and (full or len(parts[-1]) >= MAX_ROWS):
                parts.append([])
            parts[-1].append(row)
        rng.shuffle(parts)
        made += parts
    return made
