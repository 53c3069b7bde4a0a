"""The benchmark of the graders: honest thresholds, whole sources, scores that are kept."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlap_encoder import build_overlap_encoder

from benchmarks import gate_quality
from benchmarks.gate_quality_analysis import (
    Scored,
    best_threshold,
    cross_validate,
    figures,
    folds,
    rank_models,
    score_set,
    spearman,
)
from benchmarks.gate_quality_baselines import (
    last_number_is_gold,
    near_duplicate,
    ngram_overlap,
    retrieval_cosine,
    word_containment,
    word_overlap,
)
from benchmarks.gate_quality_guarantee import (
    Realised,
    check_guarantee,
    halve,
    redraw,
    tally,
)
from benchmarks.gate_quality_published import COMPARISONS, compare
from benchmarks.gate_quality_scorers import FunctionScorer, NoveltyScorer
from benchmarks.gate_quality_scores import ScoreFile, score_rows
from benchmarks.labelled_sets import (
    SETS,
    LabelledSet,
    LabelledText,
    read_set,
    take,
    trained_clusters,
)
from graders.metrics.discrimination import confusion
from graders.types import Candidate, Source
from workers.entailment.labelled import DataFolderError
from workers.entailment.split import HELD_OUT_SHARE

QAGS = LabelledSet("qags", "consistency")


def labelled(
    n: int, right: bool, cluster: str, task: str = "", model: str = "", text: str = "Some text."
) -> LabelledText:
    candidate = Candidate("bench", 0, "", text, text, source=Source(cluster, f"About {cluster}."))
    return LabelledText(f"row-{n}", "qags", task, cluster, right, candidate, model=model)


def consistency_row(n: int, source: str, text: str, label: str, **extra: Any) -> dict[str, Any]:
    return {
        "id": f"c{n}",
        "source_id": f"s{n}",
        "source": source,
        "text": text,
        "label": label,
        "spans": [],
        "task": f"task{n % 2}",
        "model": f"model{n % 3}",
        **extra,
    }


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of labelled data, made up: forty sources of a sentence, two texts about each."""
    rows = []
    for n in range(40):
        source = f"The mill at Arden{n} was built in {1700 + n} by the Hale family."
        rows += [
            consistency_row(2 * n, source, f"The mill was built in {1700 + n}.", "consistent"),
            consistency_row(2 * n + 1, source, "The mill was built in 1500.", "inconsistent"),
        ]
    folder = tmp_path / "data"
    for name in {"qags", *HELD_OUT_SHARE}:
        write(folder / "consistency" / f"{name}.jsonl", rows)
    solutions = [
        {
            "id": f"a{n}",
            "question": f"What is {n} + {n}?",
            "gold": str(2 * n),
            "response": f"{n} + {n} = {2 * n}. The answer is {2 * n + n % 2}.",
            "correct": n % 2 == 0,
        }
        for n in range(20)
    ]
    write(folder / "answers" / "gsm8k_solutions.jsonl", solutions)
    return folder


def test_a_source_is_never_split_over_folds() -> None:
    clusters = np.array([f"s{n % 7}" for n in range(50)])
    dealt = folds(clusters, seed=1)
    for name in set(clusters.tolist()):
        assert len(set(dealt[clusters == name].tolist())) == 1
    assert sorted(set(dealt.tolist())) == [0, 1, 2, 3, 4]


def test_a_threshold_does_not_depend_on_the_rows_it_is_applied_to() -> None:
    generator = np.random.default_rng(0)
    clusters = np.array([f"s{n // 3}" for n in range(60)])
    scores, right = generator.random(60), generator.random(60) < 0.5
    inside = folds(clusters, seed=0) == 2
    before, thresholds = cross_validate(scores, right, clusters, "f1", seed=0)
    after, others = cross_validate(scores, np.where(inside, ~right, right), clusters, "f1", seed=0)
    assert thresholds[2] == others[2]
    assert (before[inside] == after[inside]).all()


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({right for _, right in rows}) == 2
    ),
    st.sampled_from(["f1", "balanced_accuracy"]),
)
def test_no_other_threshold_is_better(rows: list[tuple[int, bool]], objective: Any) -> None:
    scores = np.array([score for score, _ in rows], float)
    right = np.array([label for _, label in rows])
    best = getattr(confusion(scores, right, best_threshold(scores, right, objective)), objective)
    for cut in np.arange(-0.5, 8):
        assert best >= getattr(confusion(scores, right, cut), objective) - 1e-9


def test_rows_of_one_class_teach_no_threshold() -> None:
    assert best_threshold(np.array([0.1, 0.2]), np.array([True, True]), "f1") == 0.5


def test_an_ungraded_text_counts_as_refused() -> None:
    rows = [labelled(n, n % 2 == 0, f"s{n}") for n in range(20)]
    scores = [None if n % 2 else 0.9 for n in range(20)]
    found = score_set(rows, scores, "balanced_accuracy", seed=0)
    assert found.ungraded == 10
    assert found.refused.tolist() == [n % 2 == 1 for n in range(20)]


def test_figures_average_balanced_accuracy_over_tasks() -> None:
    # task a is decided rightly (4 texts), task b is all refused: balanced accuracies 1 and 1/2
    rows = [labelled(n, n % 2 == 0, f"s{n}", "a" if n < 4 else "b") for n in range(10)]
    scores = [1.0 if n % 2 == 0 and n < 4 else 0.0 for n in range(10)]
    found = figures(score_set(rows, scores, "f1", seed=0), 0.5, rounds=20, seed=0)
    assert found["all"]["macro_balanced_accuracy"]["value"] == pytest.approx(0.75)
    assert found["tasks"]["a"]["balanced_accuracy"]["value"] == 1
    assert found["all"]["as_shipped"]["accuracy"]["value"] == pytest.approx(0.7)
    assert found["all"]["as_shipped"]["risk"] == 0


def test_spearman_takes_average_ranks() -> None:
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    # ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3
    expected = 4.5 / math.sqrt(4.5 * 5)
    assert spearman(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4])) == pytest.approx(expected)
    assert math.isnan(spearman(np.array([1.0, 1]), np.array([1.0, 2])))


def test_models_are_ranked_by_how_much_of_theirs_is_refused() -> None:
    rows = [
        labelled(n, n % 10 >= 2 * model, f"s{n}", model=f"m{model}")
        for model in range(4)
        for n in range(40)
    ]
    scores = [0.9 if row.right else 0.1 for row in rows]
    found = rank_models(score_set(rows, scores, "f1", seed=0), rounds=20, seed=0)
    assert found["spearman_refused"]["value"] == pytest.approx(1)
    assert found["models"]["m3"]["labelled_wrong"] == pytest.approx(0.6)


def test_sentences_are_wrong_where_they_overlap_a_marked_span(tmp_path: Path) -> None:
    text = "The mill is old. It burned in 1810. Nobody was hurt."
    span = {"start": text.index("1810"), "end": text.index("1810") + 4}
    rows = [
        consistency_row(0, "A source.", text, "inconsistent", spans=[span]),
        consistency_row(1, "A source.", "Unmarked, yet wrong.", "inconsistent"),
    ]
    write(tmp_path / "consistency" / "faithbench.jsonl", rows)
    found = LabelledSet("faithbench_sentences", "consistency", by=None, sentences_of="faithbench")
    sentences = read_set(tmp_path, found)
    assert [(one.candidate.body, one.right) for one in sentences] == [
        ("The mill is old.", True),
        ("It burned in 1810.", False),
        ("Nobody was hurt.", True),
    ]


def test_a_limit_takes_whole_sources() -> None:
    rows = [labelled(n, True, f"s{n % 5}") for n in range(50)]
    taken = take(rows, 12)
    assert len(taken) == 20
    assert len({row.cluster for row in taken}) == 2
    assert take(rows, None) == rows


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match=r"qags\.jsonl is missing"):
        read_set(tmp_path, QAGS)
    path = tmp_path / "consistency" / "qags.jsonl"
    write(path, [{"id": "1"}])
    with pytest.raises(DataFolderError, match="lacks the field"):
        read_set(tmp_path, QAGS)
    path.write_text("{")
    with pytest.raises(DataFolderError, match="can't be read"):
        read_set(tmp_path, QAGS)


def test_some_sources_of_trained_sets_count_as_seen(data: Path) -> None:
    seen = trained_clusters(data)
    everything = {row.cluster for row in read_set(data, QAGS)}
    assert seen < everything
    assert seen


async def test_scores_are_kept_for_one_version_of_a_grader(tmp_path: Path) -> None:
    rows = [labelled(n, True, f"s{n}") for n in range(40)]
    asked: list[str] = []

    def score(row: LabelledText) -> float:
        asked.append(row.id)
        return 0.25

    path = tmp_path / "scores.jsonl"
    first = FunctionScorer("made up", "consistency", score)
    assert await score_rows(first, QAGS, rows, ScoreFile(path)) == [0.25] * 40
    with path.open("a") as file:
        file.write('["made up", "1", "qa')
    assert await score_rows(first, QAGS, rows, ScoreFile(path)) == [0.25] * 40
    assert len(asked) == 40
    other = FunctionScorer("made up", "consistency", score, version="2")
    await score_rows(other, QAGS, rows, ScoreFile(path))
    assert len(asked) == 80


async def test_a_score_outside_zero_to_one_is_refused(tmp_path: Path) -> None:
    scorer = FunctionScorer("made up", "consistency", lambda row: 2.0)
    with pytest.raises(ValueError, match=r"scored row-0 2\.0"):
        await score_rows(scorer, QAGS, [labelled(0, True, "s")], ScoreFile(tmp_path / "s.jsonl"))


def test_baselines_look_at_what_they_say() -> None:
    source = Source("s", "The mill at Arden was built in 1700. Bees live there.")
    same = Candidate("b", 0, "", "t", "The mill was built in 1700.", source=source)
    other = Candidate("b", 0, "", "t", "Nine zebras swim.", source=source)
    for baseline in (word_overlap, retrieval_cosine):
        scores = [
            baseline(LabelledText("1", "d", "", "s", True, candidate))
            for candidate in (same, other)
        ]
        assert scores[0] > 0.5 > scores[1] == 0
    words = " ".join(f"word{n}" for n in range(20))
    copy = Candidate("b", 0, "", words, words)
    for check in (near_duplicate, ngram_overlap, word_containment):
        assert check(LabelledText("1", "d", "", "s", False, copy, other=words)) == 0
        assert check(LabelledText("1", "d", "", "s", True, copy, other="not at all")) == 1


async def test_novelty_is_measured_without_embeddings_too() -> None:
    words = " ".join(f"word{n}" for n in range(20))
    copy = LabelledText("1", "d", "", "s", False, Candidate("b", 0, "", words, words), other=words)
    new = LabelledText("2", "d", "", "s", True, copy.candidate, other="Nothing of it is here.")
    assert await NoveltyScorer(None).score([copy, new]) == [0.0, 1.0]


def test_the_last_number_is_held_against_gold() -> None:
    told = Candidate("b", 0, "", "So 3 and 1,200.", "", gold="$1200")
    assert last_number_is_gold(LabelledText("1", "d", "", "s", True, told)) == 1
    none = Candidate("b", 0, "", "None at all.", "", gold="7")
    assert last_number_is_gold(LabelledText("1", "d", "", "s", False, none)) == 0


def test_halves_share_no_source() -> None:
    clusters = np.array([f"s{n % 9}" for n in range(60)])
    calibration, test = halve(clusters, seed=4)
    assert (calibration ^ test).all()
    assert set(clusters[calibration]).isdisjoint(clusters[test])


def test_redrawn_sources_are_whole_and_named_apart() -> None:
    clusters = np.array(["a", "a", "b", "c", "c", "c"])
    rows, names = redraw(clusters, seed=0)
    assert len(rows) == len(names)
    assert len(set(names)) == 1
    assert set(clusters[rows].tolist()) <= {"a", "b", "c"}


def test_a_choice_that_ignores_alpha_is_found_out() -> None:
    rows = [labelled(n, n % 10 >= 3, f"s{n}") for n in range(200)]
    scored = score_set(rows, [0.5] * 200, "f1", seed=0)
    checked = check_guarantee(scored, lambda *_: 0.0, splits=40, seed=0)
    assert not checked["0.10"]["holds"]
    assert checked["0.10"]["misses"] == 40
    assert checked["0.10"]["yield"] == 1


def test_the_shipped_choice_keeps_its_word() -> None:
    generator = np.random.default_rng(1)
    scores = generator.random(300)
    right = generator.random(300) < 0.5 + scores / 2
    rows = [labelled(n, bool(right[n]), f"s{n}") for n in range(300)]
    scored = score_set(rows, scores.tolist(), "f1", seed=0)
    checked = check_guarantee(scored, gate_quality.choose_threshold, splits=8, seed=0)
    assert all(check["holds"] is not False for check in checked.values())
    assert checked["0.20"]["yield"] > 0.05


def simulated(strength: float, sources: int, seed: int) -> Scored:
    """Simulated texts, three to a source on average, a third of them wrong; no grader, no text.

    Quality is part the source's, so that texts of one source go together. The score is quality
    and noise: it tells right from wrong the better, the greater its strength.
    """
    generator = np.random.default_rng(seed)
    rows: list[LabelledText] = []
    scores: list[float] = []
    for source in range(sources):
        shared = generator.normal()
        for _ in range(generator.integers(1, 6)):
            quality = 0.6 * shared + 0.8 * generator.normal()
            rows.append(labelled(len(rows), bool(quality > -0.43), f"s{source}"))
            seen = strength * quality + generator.normal()
            scores.append(1 / (1 + math.exp(-seen)))
    return score_set(rows, scores, "f1", seed=0)


def loosest_that_looks_right(
    scores: Sequence[float], right: Sequence[bool], *rest: Any
) -> float | None:
    """A chooser that promises nothing: the loosest threshold whose own errors are at most alpha."""
    alpha = rest[1]
    order = sorted(zip(scores, right, strict=True), reverse=True)
    wrong, found = 0, None
    for count, (score, good) in enumerate(order, start=1):
        wrong += not good
        if wrong <= alpha * count:
            found = score
    return found


@pytest.mark.parametrize("strength", [2.0, 4.0])
def test_on_simulated_scores_certificates_are_granted_and_keep_their_word(
    strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.gate_quality_guarantee.ALPHAS", (0.15,))
    scored = simulated(strength, sources=600, seed=5)
    checked = check_guarantee(scored, gate_quality.choose_threshold, splits=40, seed=0)
    redrawn = checked["0.15"]["redrawn_sources"]
    assert redrawn["granted"] >= 30
    assert redrawn["holds"] is True


def test_on_simulated_scores_a_threshold_that_only_looks_right_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.gate_quality_guarantee.ALPHAS", (0.15,))
    scored = simulated(2.0, sources=600, seed=5)
    checked = check_guarantee(scored, loosest_that_looks_right, splits=40, seed=0)
    assert checked["0.15"]["redrawn_sources"]["holds"] is False


@pytest.mark.parametrize(("granted", "holds"), [(0, None), (1, None), (12, None), (30, False)])
def test_a_check_that_could_not_have_failed_says_nothing(granted: int, holds: bool | None) -> None:
    refused, missed = Realised(None, math.nan, math.nan, 0.0), Realised(0.5, 0.3, 0.3, 0.1)
    found = tally([missed] * granted + [refused] * (200 - granted), 0.2)
    assert (found["granted"], found["misses"], found["holds"]) == (granted, granted, holds)
    assert found["misses_of_granted"] == (1.0 if granted else None)


def test_a_check_that_could_have_failed_and_did_not_holds() -> None:
    kept, missed = Realised(0.5, 0.1, 0.1, 0.1), Realised(0.5, 0.3, 0.3, 0.1)
    assert tally([missed] * 5 + [kept] * 95, 0.2)["holds"] is True
    assert tally([missed] * 15 + [kept] * 85, 0.2)["holds"] is False


def test_a_refusal_is_no_miss() -> None:
    rows = [labelled(n, False, f"s{n}") for n in range(20)]
    scored = score_set(rows, [0.5] * 20, "f1", seed=0)
    checked = check_guarantee(scored, lambda *_: None, splits=5, seed=0)
    assert checked["0.05"]["misses"] == 0
    assert checked["0.05"]["refused"] == 5
    assert checked["0.05"]["mean_error"] is None
    assert checked["0.05"]["holds"] is None


def test_the_chance_of_so_many_misses_is_exact() -> None:
    kept, missed = Realised(0.5, 0.1, 0.1, 0.1), Realised(0.5, 0.3, 0.3, 0.1)
    assert tally([kept] * 5, 0.2)["chance_of_as_many"] == pytest.approx(1)
    exact = sum(math.comb(5, k) * 0.05**k * 0.95 ** (5 - k) for k in range(3, 6))
    found = tally([missed] * 3 + [kept] * 2, 0.2)
    assert found["chance_of_as_many"] == pytest.approx(exact)


def test_every_published_figure_has_its_set_and_its_source() -> None:
    names = {found.name for found in SETS}
    for comparison in COMPARISONS:
        assert comparison.dataset in names
        assert comparison.source
        assert comparison.differs
    figures_of = {"ragtruth": {"consistency": {"all": {"f1": {"value": 0.7}}}}}
    assert [one["ours"] for one in compare(figures_of, "consistency")] == [{"value": 0.7}]


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gate_quality", *arguments])
    gate_quality.main()


def test_a_run_writes_its_report_and_a_second_one_grades_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sets = ("qags", "ragtruth", "ragtruth_sentences", "gsm8k_solutions")
    options = ("--data", str(data), "--out", str(out), "--rounds", "10", "--splits", "1")
    model = str(build_overlap_encoder(tmp_path / "model"))
    run_main(monkeypatch, *options, "--models", model, "--sets", *sets)
    report = json.loads((out / "gate_quality.json").read_text())
    assert set(report["sets"]) == set(sets)
    assert report["rows_that_training_saw"]["ragtruth"] > 0
    assert report["rows_that_training_saw"]["qags"] > 0
    assert report["sets"]["gsm8k_solutions"]["answers"]["all"]["auroc"]["value"] == 1
    assert report["sets"]["qags"]["rules only"]["all"]["auroc"]["value"] > 0.9
    assert report["sets"]["qags"][f"consistency, {model}"]["ungraded"] == 0
    assert f"its model alone, {model}" in report["sets"]["ragtruth_sentences"]
    assert "command" in report["environment"]
    assert (out / "gate_quality_risk_coverage.png").stat().st_size > 0
    assert (out / "gate_quality_guarantee.png").stat().st_size > 0
    assert "Does the guarantee hold?" in (out / "gate_quality.md").read_text()
    scores = (out / "gate_quality_scores.jsonl").read_text()
    run_main(monkeypatch, *options, "--models", model, "--sets", *sets)
    assert (out / "gate_quality_scores.jsonl").read_text() == scores
    again = json.loads((out / "gate_quality.json").read_text())
    assert again["sets"] == report["sets"]
    capsys.readouterr()


def test_a_folder_without_the_data_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="is missing: --data must name"):
        run_main(
            monkeypatch, "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--models",
            "--sets", "qags",
        )  # fmt: skip
    assert not (tmp_path / "o" / "gate_quality.json").exists()
