"""Which representation a client gets, by its `Accept` header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from starlette.requests import Request

from service.errors import NotAcceptableError

NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"


def chosen(request: Request, offered: Sequence[str]) -> str:
    """The offered media type that the client likes best; of equals, the first.

    Raises NotAcceptableError when it takes none of them.
    """
    accept = ",".join(request.headers.getlist("accept")).strip() or "*/*"
    ranges = [_read(part) for part in accept.split(",") if part.strip()]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) > 0:
        return best
    raise NotAcceptableError(f"{accept[:200]} is asked for; there is {' or '.join(offered)}")


def _read(part: str) -> tuple[str, float]:
    """A media range and its quality; parameters other than `q` are left aside."""
    name, *parameters = [piece.strip().lower() for piece in part.split(";")]
    given = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
    try:
        return name, float(given[0]) if given else 1.0
    except ValueError:
        return name, 0.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality by the most specific range that covers the media type."""
    covering = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    for wanted in covering:
        found = [quality for name, quality in ranges if name == wanted]
        if found:
            return max(found)
    return 0.0
