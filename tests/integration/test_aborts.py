"""Stopping doomed texts early changes what is spent, and nothing that is accepted."""

from pathlib import Path

import pytest

from graders.types import Source
from service.assembly import open_backend, run_stored
from service.settings import load_settings
from workers.engines.pool import EnginePool
from workers.recipes import SHIPPED
from workers.store import SqlStore
from workers.types import BatchSpec, Budget, LedgerRow

DRAWS = 60
SHEET = Source(
    "aldra",
    "Name: Aldra\nKind: river\nLength: 412 km\nCountry: Norway\nMouth: the North Sea\n"
    "Bridges: 17\nFirst mapped: 1743",
)


async def ledger(folder: Path, recipe: str, *, early_abort: bool) -> dict[int, LedgerRow]:
    """The rows, by `seq`, of a batch that asks for more than its draws can bring."""
    settings = load_settings(
        database_url=f"sqlite:///{folder}/{early_abort}.db",
        models={"fake": {"kind": "scripted", "wrong_rate": 0.5}},
        graders={"early_abort": early_abort},
    )
    store = SqlStore(settings.database_url)
    spec = BatchSpec(recipe, DRAWS, (SHEET,), "fake", budget=Budget(max_candidates=DRAWS))
    batch_id = store.create_batch(spec)[0].id
    backend = open_backend(settings, EnginePool(settings.models))
    try:
        await run_stored(batch_id, store, backend, settings, recipes=SHIPPED)
        rows = [*store.samples(batch_id), *store.rejects(batch_id)]
    finally:
        await backend.aclose()
        store.close()
    return {row.seq: row for row in rows}


def accepted(rows: dict[int, LedgerRow]) -> dict[int, str]:
    """The accepted texts by `seq`."""
    found = {n: row.candidate for n, row in rows.items() if row.outcome == "accepted"}
    return {n: candidate.text for n, candidate in found.items() if candidate}


@pytest.mark.parametrize("recipe", ["essay", "dialogue"])
async def test_a_replay_without_aborts_accepts_the_same_and_refuses_all_that_were_aborted(
    tmp_path: Path, recipe: str
) -> None:
    on = await ledger(tmp_path, recipe, early_abort=True)
    off = await ledger(tmp_path, recipe, early_abort=False)
    aborted = {
        n for n, row in on.items() if row.candidate and row.candidate.finish_reason == "aborted"
    }
    assert len(on) == len(off) == DRAWS
    assert accepted(on) == accepted(off) != {}
    reasons = [item.reason for n in aborted for grade in on[n].grades for item in grade.evidence]
    by_model = [reason for reason in reasons if reason.startswith(("this says", "this states"))]
    assert by_model and len(by_model) < len(reasons)
    for n in aborted:
        full, cut = off[n], on[n]
        assert full.outcome == cut.outcome == "rejected"
        assert full.candidate and cut.candidate and full.verdict and cut.verdict
        assert full.candidate.finish_reason != "aborted"
        assert full.candidate.text.startswith(cut.candidate.text)
        assert full.candidate.completion_tokens > cut.candidate.completion_tokens
        assert full.verdict.failures[0].grader == cut.verdict.failures[0].grader
        versions = {grade.grader: grade.version for grade in full.grades}
        assert all(grade.version == versions[grade.grader] for grade in cut.grades)
