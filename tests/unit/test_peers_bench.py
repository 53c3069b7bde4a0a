import re

from benchmarks.peer_endpoint import PeerEndpoint, passes, source_of, text_of
from benchmarks.peer_runs import Run, passed_of, shortfall
from benchmarks.peer_scripts.recipe import RECIPE
from benchmarks.peers import account, comparison, summarise, table
from graders.claims import split_claims
from graders.prompts import Stance, read_ruling, render_ruling
from graders.types import Source


def _run(peer, wall, cpu, failure=""):
    return Run(peer, wall, cpu, 100.0, 0.5, 64, 0, 1.5, failure)


def _rows():
    runs = [_run("bare", 3.5, 1.0), _run("winnow", 4.0, 2.0), _run("winnow", 6.0, 4.0)]
    runs += [_run("winnow", 5.0, 3.0), _run("curator", 10.0, 12.0), _run("distilabel", 0, 0, "rc")]
    return summarise(runs, 2000, 3.125)


def test_the_endpoint_writes_a_text_for_a_record_and_half_of_them_pass():
    endpoint = PeerEndpoint(0.0, "yes", "no")
    verdicts = []
    for number in range(10):
        prompt = RECIPE.prompt(Source("s", source_of(number)))
        text = endpoint.reply(prompt)
        assert text == text_of(number)
        verdicts.append(endpoint.reply(f"{source_of(number)}\n\nClaim: {text}"))
        assert verdicts[-1] == ("yes" if passes(number) else "no")
    counts = endpoint.tally.counts()
    assert (counts["generated"], counts["judged"], counts["repeated"]) == (10, 10, 0)
    assert verdicts.count("yes") == 5


def test_the_endpoint_counts_what_was_asked_twice_and_what_it_does_not_know():
    endpoint = PeerEndpoint(0.0, "yes", "no")
    endpoint.reply(source_of(3))
    endpoint.reply(source_of(3))
    endpoint.reply("Hello!")
    counts = endpoint.tally.counts()
    assert (counts["generated"], counts["repeated"], counts["other"]) == (1, 1, 1)


def test_a_text_is_one_claim_so_that_it_is_judged_by_one_request():
    assert len(split_claims(RECIPE.parse(text_of(7)).body)) == 1


def test_the_judge_of_winnow_can_read_what_the_endpoint_is_told_to_reply():
    assert read_ruling(render_ruling(Stance.UNSUPPORTED, "")).stance is Stance.UNSUPPORTED


def test_a_run_counts_only_when_all_was_generated_judged_and_half_passed():
    whole = {"generated": 10, "judged": 10}
    assert shortfall(whole, 5, 10) == ""
    assert shortfall({"generated": 10, "judged": 9}, 5, 10) == "9 judged"
    assert shortfall(whole, None, 10) == "None passed"


def test_what_passed_is_read_from_the_last_line_of_json(tmp_path):
    (tmp_path / "stdout").write_text('starting\n{"passed": 7}\nbye\n')
    assert passed_of(tmp_path) == 7
    job = '{"event": "started"}\n{"event": "finished", "counts": {"accepted": 9}}\n'
    (tmp_path / "stdout").write_text(job)
    assert passed_of(tmp_path) == 9
    (tmp_path / "stdout").write_text("nothing\n")
    assert passed_of(tmp_path) is None


def test_rows_hold_medians_of_good_runs_and_the_reasons_of_the_others():
    rows = {row["peer"]: row for row in _rows()}
    assert rows["winnow"]["wall_s"] == {"median": 5.0, "least": 4.0, "most": 6.0}
    assert rows["winnow"]["cpu_ms_per_record"] == 1.5
    assert rows["winnow"]["times_ideal"] == 1.6
    assert rows["distilabel"]["runs"] == 0
    assert rows["distilabel"]["failures"] == ["rc"]
    assert "data-designer" not in rows


def test_winnow_is_compared_with_the_bare_loop_and_the_best_rival():
    found = comparison(_rows())
    assert found["cpu_ms_per_record_over_bare"] == 3.0
    assert found["cpu_ms_per_record_best_rival_over_ours"] == 4.0
    assert found["times_ideal_best_rival_over_ours"] == 2.0
    assert comparison([]) == {}


def test_the_table_has_a_line_for_each_peer_also_for_one_that_failed():
    lines = table(_rows()).splitlines()
    assert "| Winnow | 5.0 (4.0-6.0) | 1.60 | 1.50 | 100 | 0.5 |" in lines
    assert any(re.match(r"\| distilabel .* failed: rc", line) for line in lines)


def test_the_account_names_machine_date_and_command():
    work = {"records": 2000, "in_flight": 64, "ideal_s": 3.125, "latency_s": 0.05}
    work |= {"load": {"median": 1.5, "least": 1.0, "most": 2.0}}
    machine = {"cpu": "a CPU", "cores": "2", "python": "3.11", "command": "python -m x"}
    rows = _rows()
    told = account(
        {
            "work": work,
            "environment": machine,
            "date": "2026-01-01",
            "peers": rows,
            "comparison": comparison(rows),
        }
    )
    assert "a CPU, 2 cores (load average 1.5 before a run, at most 2.0), Python 3.11" in told
    assert "2026-01-01: `python -m x`" in told
    assert "Medians of 3 interleaved runs" in told
    assert "2.0 times as long as Winnow and 4.0 times the CPU" in told
