"""The certificate of a batch outside HTTP: in the account, and beside the file of samples."""

import contextlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from graders.calibration import Certificate
from graders.calibration.certificate import ASSUMPTION
from service.certificate_file import leave_certificate
from service.cli import app
from service.display import certificate_text
from service.views import batch_object
from tests.unit.test_cli_calibrate import labelled, write
from workers.errors import ExportError
from workers.store import SqlStore

SHEET = "Name: Aldra\nKind: river\nLength: 412 km\nSource: Mount Voss\nMouth: Lake Teal"
MADE = Certificate(
    max_error_rate=0.1,
    confidence=0.9,
    bound=0.1,
    threshold=0.75,
    coverage=0.62,
    observed=0.03,
    accepted=80,
    tested=100,
    sources=300,
    rows=300,
    seed=0,
    grader="consistency",
    calibration_set="essays[1]",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a source and a calibration of the texts of its only model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "winnow.toml").write_text(
        '[models.fake]\nkind = "scripted"\n[graders.consistency]\njudge = true\n'
    )
    (tmp_path / "aldra.txt").write_text(SHEET)
    write(tmp_path / "rows.jsonl", [labelled(n) for n in range(90)])
    assert run("calibrate --in rows.jsonl --model fake --out c.json").exit_code == 0
    return tmp_path


def run(words: str) -> Result:
    return CliRunner().invoke(app, words.split())


def read(path: str) -> Any:
    return orjson.loads(Path(path).read_bytes())


def test_the_account_tells_bound_yield_and_assumption() -> None:
    for made in (MADE, MADE.to_json()):
        bound, share, assumption = certificate_text(made).splitlines()
        assert "at 90.0% confidence at most 10.0% of what passes is wrong" in bound
        assert "consistency >= 0.75; calibrated on 300 sources of essays[1]" in bound
        assert share == "yield: 62% of texts are expected to pass that threshold"
        assert assumption == f"assumption: {ASSUMPTION}"


def test_generate_and_export_leave_it_whole_beside_their_samples(folder: Path) -> None:
    asked = "generate --recipe essay --count 1 --sources aldra.txt --max-error-rate 0.1"
    done = run(f"{asked} --calibration c.json --out s.jsonl")
    assert done.exit_code == 0, done.stderr
    assert "yield: " in done.stderr and "assumption: Holds for texts that" in done.stderr
    with contextlib.closing(SqlStore("sqlite:///winnow.db")) as store:
        [record] = store.list_batches()
    shown = orjson.loads(orjson.dumps(batch_object(record)))
    assert read("s.jsonl.certificate.json") == shown["certificate"] is not None
    assert run(f"export {record.id} --out again.jsonl").exit_code == 0
    assert read("again.jsonl.certificate.json") == shown["certificate"]
    assert run(f"export {record.id} --out r.jsonl --rejects").exit_code == 0
    assert not Path("r.jsonl.certificate.json").exists()


def test_a_certificate_of_an_earlier_batch_does_not_stay_beside_other_samples(
    tmp_path: Path,
) -> None:
    out = tmp_path / "s.jsonl"
    left = leave_certificate(str(out), MADE)
    assert left == tmp_path / "s.jsonl.certificate.json"
    assert orjson.loads(left.read_bytes())["bound"] == 0.1
    assert leave_certificate(str(out), None) is None
    assert list(tmp_path.iterdir()) == []


def test_stdout_gets_none_and_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert leave_certificate("-", MADE) is None and leave_certificate(None, MADE) is None
    with pytest.raises(ExportError, match="can't write"):
        leave_certificate(str(tmp_path / "none" / "s.jsonl"), MADE)
