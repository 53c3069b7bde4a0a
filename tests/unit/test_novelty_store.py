"""Novelty in the store: many processes, damage, older databases, protected sets, meaning."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from older_schemas import TO_2, TO_3, TO_4, TO_5
from sqlalchemy import func, select

from graders.config import NoveltyConfig
from graders.gate import Gate
from graders.novelty.embedding import DIMENSIONS, Vectors
from graders.types import Candidate, Grade, Source, Verdict
from workers.errors import StoreError
from workers.store import SqlStore
from workers.store.connection import Database
from workers.store.schema import novelty_vectors
from workers.types import BatchSpec, Draw, LedgerRow, Outcome, Produced

ROOT = Path(__file__).parents[2]
LETTERS = str.maketrans("0123456789", "bcdfghjklm")


def some_words(stem: str, first: int, last: int) -> str:
    """Different words, without digits: "stemb stemc …"."""
    return " ".join(f"{stem}{n}".translate(LETTERS) for n in range(first, last))


SOURCE = Source("topic", "Rivers of the world and " + some_words("fact", 0, 60))
SPEC = BatchSpec("essay", 100, (SOURCE,), "scripted")
GATE = Gate({"form": 1.0, "novelty": 0.4}, ("form", "novelty"))
SAME = {"begins": "starts", "river": "stream", "sea": "ocean", "long": "lengthy", "town": "city"}
ACCEPTED, REJECTED = Outcome.ACCEPTED, Outcome.REJECTED


class ToyEmbedder:
    """Texts of the same words up to synonyms have the same vector."""

    def __init__(self, version: str = "toy-1") -> None:
        self.version = version
        self.texts = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            for word in sorted({SAME.get(word, word) for word in text.lower().split()}):
                vectors[row, sum(map(ord, word)) % DIMENSIONS] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


RIVER = "the river begins far north then passes town after town before reaching a long cold sea"
REPHRASED = (
    "before reaching a cold lengthy ocean the stream passes city after city then starts north far"
)
OTHER = "copper melts at high heat while glass softens slowly under any strong orange flame"


def text_of(n: int) -> str:
    return f"Number {n}: " + " ".join(f"word{n}x{i}" for i in range(30))


def produced(seq: int, text: str) -> Produced:
    candidate = Candidate("?", seq, "essay", text, text, SOURCE)
    return Produced(Draw(seq, SOURCE, seq), candidate, (Grade("form", "1", 1.0),), Verdict(True))


def admit(store: SqlStore, batch_id: str, *texts: str, first: int = 0) -> list[LedgerRow]:
    items = [produced(first + n, text) for n, text in enumerate(texts)]
    return store.admit(
        batch_id, items, room=100, gate=GATE, novelty_text=lambda candidate: candidate.body
    )


def outcomes(rows: Sequence[LedgerRow]) -> list[Outcome]:
    return [row.outcome for row in rows]


def reason(row: LedgerRow) -> str:
    return row.grades[-1].evidence[0].reason


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


Open = Callable[..., SqlStore]


@pytest.fixture
def opened(url: str) -> Iterator[Open]:
    with contextlib.ExitStack() as stack:

        def open_(
            config: NoveltyConfig | None = None, embedder: ToyEmbedder | None = None
        ) -> SqlStore:
            make = (lambda: embedder) if embedder else None
            config = config or NoveltyConfig(semantic=False)
            return stack.enter_context(contextlib.closing(SqlStore(url, config, make)))

        yield open_


def raw(url: str, *statements: str) -> None:
    with contextlib.closing(Database(url)) as database:
        for statement in statements:
            database.write(lambda connection, it=statement: connection.exec_driver_sql(it))


def test_what_another_process_admitted_is_seen(opened: Open) -> None:
    one, two = opened(), opened()
    first, second = one.create_batch(SPEC)[0].id, two.create_batch(SPEC)[0].id
    for n in range(3):
        assert outcomes(admit(one, first, text_of(n), first=n)) == [ACCEPTED]
        assert outcomes(admit(two, second, text_of(n) + " end", first=n)) == [REJECTED]


def test_one_admission_compares_its_own_texts(opened: Open) -> None:
    store = opened()
    rows = admit(store, store.create_batch(SPEC)[0].id, text_of(0), text_of(1), text_of(0) + " x")
    assert outcomes(rows) == [ACCEPTED, ACCEPTED, REJECTED]


def test_an_admission_that_fails_leaves_nothing_in_the_index(opened: Open) -> None:
    store = opened()
    batch_id = store.create_batch(SPEC)[0].id
    with pytest.raises(StoreError, match="continue the ledger"):
        admit(store, batch_id, text_of(0), first=5)
    assert outcomes(admit(store, batch_id, text_of(0))) == [ACCEPTED]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM novelty_sketches",
        "DELETE FROM novelty_sketches WHERE first_id = 2",
        "UPDATE novelty_sketches SET fingerprints = CAST('ab' AS {bytes})",
    ],
)
def test_a_damaged_index_is_made_anew_from_the_texts(
    url: str, opened: Open, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened()
    batch_id = store.create_batch(SPEC)[0].id
    for n in range(3):
        admit(store, batch_id, text_of(n), first=n)
    raw(url, damage.format(bytes="BLOB" if url.startswith("sqlite") else "BYTEA"))
    again = admit(opened(), batch_id, *(text_of(n) + " more" for n in range(3)), first=3)
    assert outcomes(again) == [REJECTED] * 3
    assert "made anew from 3 texts" in caplog.text


def test_a_process_with_another_fingerprint_is_told_so(url: str, opened: Open) -> None:
    store = opened()
    batch_id = store.create_batch(SPEC)[0].id
    raw(url, "UPDATE schema_version SET novelty_index = 'newer'")
    with pytest.raises(StoreError, match="made the novelty index anew as newer"):
        admit(store, batch_id, text_of(0))


def test_a_database_of_the_first_schema_keeps_its_texts(url: str, opened: Open) -> None:
    store = opened()
    batch_id = store.create_batch(SPEC)[0].id
    admit(store, batch_id, text_of(0))
    raw(
        url,
        *TO_5,
        *TO_4,
        *TO_3,
        *TO_2,
        "DROP TABLE novelty_sketches",
        "DROP TABLE novelty_vectors",
        "DROP TABLE protected_items",
        "DROP TABLE protected_sets",
        "DROP TABLE IF EXISTS audit_draws",
        "DROP TABLE IF EXISTS audits",
        "ALTER TABLE novelty_texts ADD COLUMN exact BIGINT",
        "CREATE INDEX ix_novelty_texts_exact ON novelty_texts (exact)",
        "CREATE TABLE novelty_bands (key BIGINT, text_id INTEGER, PRIMARY KEY (key, text_id))",
        "UPDATE schema_version SET version = 1, novelty_index = 'pairs-n4-min6-rensa2-s1-32x4'",
    )
    assert outcomes(admit(opened(), batch_id, text_of(0) + " x", text_of(1), first=1)) == [
        REJECTED,
        ACCEPTED,
    ]


def test_protected_items_are_refused_by_name_until_forgotten(opened: Open) -> None:
    store = opened()
    batch_id = store.create_batch(SPEC)[0].id
    made = store.protect("exam", [("q1", text_of(0)), ("q2", text_of(1))])
    assert (made.name, made.items, made.embedded) == ("exam", 2, 0)
    rows = admit(store, batch_id, text_of(1) + " x", text_of(2))
    assert outcomes(rows) == [REJECTED, ACCEPTED]
    assert reason(rows[0]).endswith("exam/q2")
    with pytest.raises(StoreError, match="protected already"):
        store.protect("exam", [("q1", text_of(0))])
    with pytest.raises(StoreError, match="there are: exam"):
        store.unprotect("exams")
    store.unprotect("exam")
    assert store.protected_sets() == []
    assert outcomes(admit(store, batch_id, text_of(1), first=2)) == [ACCEPTED]


def test_a_set_that_another_process_protects_counts_from_then_on(opened: Open) -> None:
    store, other = opened(), opened()
    batch_id = store.create_batch(SPEC)[0].id
    admit(store, batch_id, text_of(0))
    other.protect("exam", [("q1", text_of(1))])
    assert outcomes(admit(store, batch_id, text_of(1), first=1)) == [REJECTED]


def test_thirteen_words_in_a_row_of_a_protected_text_are_a_copy(opened: Open) -> None:
    store = opened()
    store.protect("book", [("1", some_words("part", 0, 400))])
    copied = f"{some_words('own', 0, 200)} {some_words('part', 50, 63)} and more"
    fewer = f"{some_words('mine', 0, 200)} {some_words('part', 90, 102)} and more"
    rows = admit(store, store.create_batch(SPEC)[0].id, copied, fewer)
    assert outcomes(rows) == [REJECTED, ACCEPTED]
    assert reason(rows[0]) == "13 words in a row from book/1"


def test_a_rephrased_protected_item_is_refused_by_its_meaning(opened: Open) -> None:
    store = opened(embedder=ToyEmbedder())
    made = store.protect("exam", [("q1", RIVER)])
    assert made.embedded == 1
    rows = admit(store, store.create_batch(SPEC)[0].id, REPHRASED, OTHER)
    assert outcomes(rows) == [REJECTED, ACCEPTED]
    assert "cosine" in reason(rows[0]) and reason(rows[0]).endswith("exam/q1")


def test_vectors_of_another_embedder_are_not_compared(opened: Open) -> None:
    opened(embedder=ToyEmbedder()).protect("exam", [("q1", RIVER)])
    store = opened(embedder=ToyEmbedder("toy-2"))
    assert outcomes(admit(store, store.create_batch(SPEC)[0].id, REPHRASED)) == [ACCEPTED]


ADMITTED = NoveltyConfig(semantic_admitted=True)


def test_paraphrases_of_admitted_texts_pass_unless_asked_for(opened: Open) -> None:
    store = opened()
    assert (
        outcomes(admit(store, store.create_batch(SPEC)[0].id, RIVER, REPHRASED)) == [ACCEPTED] * 2
    )


def test_paraphrases_are_refused_in_one_admission_and_across_processes(opened: Open) -> None:
    one, two = opened(ADMITTED, ToyEmbedder()), opened(ADMITTED, ToyEmbedder())
    first, second = one.create_batch(SPEC)[0].id, two.create_batch(SPEC)[0].id
    assert outcomes(admit(one, first, OTHER, RIVER, REPHRASED)) == [ACCEPTED, ACCEPTED, REJECTED]
    assert outcomes(admit(two, second, REPHRASED)) == [REJECTED]


def test_texts_from_one_mould_with_other_numbers_pass_the_check_of_meaning(opened: Open) -> None:
    store = opened(ADMITTED, ToyEmbedder())
    texts = [f"{RIVER} {n} {n + 7} {n + 9} 4{n}" for n in (20, 60)]
    assert outcomes(admit(store, store.create_batch(SPEC)[0].id, *texts)) == [ACCEPTED] * 2


def test_texts_admitted_while_the_check_was_off_are_embedded_later(opened: Open) -> None:
    plain = opened()
    batch_id = plain.create_batch(SPEC)[0].id
    admit(plain, batch_id, OTHER, RIVER)
    store = opened(ADMITTED, ToyEmbedder())
    assert outcomes(admit(store, batch_id, REPHRASED, first=2)) == [REJECTED]


def test_two_processes_that_embed_older_texts_at_once_leave_none_out(opened: Open) -> None:
    both = threading.Barrier(2)

    class Together(ToyEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            if len(texts) > 1:
                with contextlib.suppress(threading.BrokenBarrierError):
                    both.wait(5)
            return super().embed(texts)

    plain = opened()
    batch_id = plain.create_batch(SPEC)[0].id
    admit(plain, batch_id, *[some_words(f"w{n}-", 0, 30) for n in range(60)], OTHER, RIVER)
    stores = [opened(ADMITTED, Together()) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda store: store.novelty.outlook([]), stores))
    assert outcomes(admit(stores[0], batch_id, REPHRASED, first=62)) == [REJECTED]
    with stores[0]._database._engine.begin() as connection:
        covered = connection.execute(select(func.sum(novelty_vectors.c.texts))).scalar_one()
    assert covered == 62


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", ["none", "bytes", "missing", "version", "about"])
def test_the_index_file_is_only_a_copy(
    url: str, opened: Open, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(SqlStore(url, ADMITTED, ToyEmbedder)) as store:
        batch_id = store.create_batch(SPEC)[0].id
        admit(store, batch_id, OTHER, RIVER)
    file = Path(url.removeprefix("sqlite:///") + ".vectors")
    about = Path(f"{file}.json")
    assert file.exists() and about.exists()
    if damage == "bytes":
        file.write_bytes(b"\0" * 50 + file.read_bytes()[50:])
    elif damage == "missing":
        about.unlink()
    elif damage == "version":
        about.write_text(about.read_text().replace("usearch-f16-cos-1", "usearch-0"))
    elif damage == "about":
        about.write_text("{")
    again = admit(opened(ADMITTED, ToyEmbedder()), batch_id, REPHRASED, first=2)
    assert outcomes(again) == [REJECTED]
    assert ("made anew" in caplog.text) == (damage != "none")


def test_over_fifty_words_in_a_row_from_the_source_are_refused(opened: Open) -> None:
    store = opened()
    fifty = "So it is said that " + some_words("fact", 5, 55) + " and no more."
    more = "One hears besides: " + some_words("fact", 5, 56) + ", or so they claim."
    kept, row = admit(store, store.create_batch(SPEC)[0].id, fifty, more)
    assert (kept.outcome, row.outcome) == (ACCEPTED, REJECTED)
    assert "51 words in a row" in reason(row)


@pytest.mark.parametrize(("limit", "outcome"), [(40, REJECTED), (60, ACCEPTED), (0, ACCEPTED)])
def test_how_much_may_be_copied_from_the_source_can_be_set(
    opened: Open, limit: int, outcome: Outcome
) -> None:
    store = opened(NoveltyConfig(semantic=False, max_copied_words=limit))
    copy = "So it is said that " + some_words("fact", 0, 60) + " and no more."
    assert outcomes(admit(store, store.create_batch(SPEC)[0].id, copy)) == [outcome]


def test_embeddings_that_are_demanded_but_missing_are_an_error(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graders.errors import GraderConfigError
    from graders.novelty import embedding

    monkeypatch.setattr(embedding, "missing", lambda: "usearch not installed")
    with pytest.raises(GraderConfigError, match=r"novelty\.semantic is true, but usearch"):
        SqlStore(url, NoveltyConfig(semantic=True))
    SqlStore(url, NoveltyConfig()).close()


VECTORS_THEN_ENTAILMENT = """
from workers.store.meanings import _new_index
_new_index()
from graders.entailment.model import load_encoder
from graders.config import ConsistencyConfig
config = ConsistencyConfig()
load_encoder(config.model, config.threads, config.support_label)
"""


def test_the_entailment_model_loads_after_the_vector_index() -> None:
    subprocess.run([sys.executable, "-c", VECTORS_THEN_ENTAILMENT], cwd=ROOT, check=True)
