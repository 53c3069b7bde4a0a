"""MiniLM as it is converted and run: the real weights, without torch."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graders.errors import GraderConfigError
from graders.novelty.embedding import MiniLm
from graders.novelty.minilm import MODEL_VERSION, quantised_model

pytestmark = pytest.mark.model
ITEM = "Tom has three red marbles and buys five more. How many marbles does he own in all?"
SAME = "Tom owns three red marbles; he purchases another five. What is his total of marbles?"
OTHER = "The train to the coast leaves at noon and passes two tunnels before the harbour."


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "winnow"


@pytest.fixture(scope="module")
def model(cache: Path) -> MiniLm:
    return MiniLm(threads=1)


def test_a_paraphrase_is_nearer_than_another_text(model: MiniLm) -> None:
    item, same, other = model.embed([ITEM, SAME, OTHER])
    assert item @ same > 0.8 > 0.4 > item @ other


def test_vectors_have_length_one_and_hardly_depend_on_their_batch(model: MiniLm) -> None:
    texts = [ITEM, SAME, OTHER, OTHER * 3, ITEM + SAME + OTHER]
    together = model.embed([*texts, "", "short"])[: len(texts)]
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([model.embed([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.985


def test_a_long_text_is_read_beyond_its_first_pieces(model: MiniLm) -> None:
    start, whole = model.embed([OTHER * 15, OTHER * 15 + ITEM * 40])
    assert start @ whole < 0.95


def test_the_conversion_is_kept_and_a_damaged_one_is_made_anew(model: MiniLm, cache: Path) -> None:
    kept = cache / f"{MODEL_VERSION}.onnx"
    assert quantised_model() == kept
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000])
    with pytest.raises(GraderConfigError, match=r"is damaged and was removed; try again"):
        MiniLm(threads=1)
    assert not kept.exists()
    kept.write_bytes(whole)


def test_embedding_loads_no_torch(cache: Path) -> None:
    code = (
        "import sys; from graders.novelty.embedding import MiniLm; MiniLm(1).embed(['a']); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
