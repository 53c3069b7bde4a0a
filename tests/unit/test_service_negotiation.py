"""Clients get the representation that they like best, or are told that there is none."""

import pytest
from starlette.requests import Request

from service.errors import NotAcceptableError
from service.negotiation import NDJSON, PARQUET, chosen


def asking(*accept: str) -> Request:
    headers = [(b"accept", value.encode()) for value in accept]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ((), NDJSON),
        (("",), NDJSON),
        (("*/*",), NDJSON),
        (("application/*",), NDJSON),
        ((PARQUET,), PARQUET),
        ((PARQUET.upper(),), PARQUET),
        ((f"{PARQUET};q=0, */*",), NDJSON),
        ((f"{NDJSON};q=0.5, {PARQUET};q=0.9",), PARQUET),
        ((f"{NDJSON};q=0.5", f"{PARQUET};q=0.9"), PARQUET),
        ((f"{NDJSON};q=0.1;v=1, application/*;q=0.5",), PARQUET),
        (("text/html, application/xhtml+xml, */*;q=0.8",), NDJSON),
    ],
)
def test_the_best_liked_representation_is_chosen(accept: tuple[str, ...], expected: str) -> None:
    assert chosen(asking(*accept), [NDJSON, PARQUET]) == expected


@pytest.mark.parametrize(
    "accept", ["text/csv", "application/json", f"{PARQUET};q=0", "*/*;q=0", f"{NDJSON};q=much"]
)
def test_what_can_not_be_made_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match="there is application/x-ndjson"):
        chosen(asking(accept), [NDJSON, PARQUET])
