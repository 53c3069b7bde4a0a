"""Leaves a batch's certificate beside the file of its samples, whole, as the gateway shows it."""

from pathlib import Path
from typing import Any

import orjson

from workers.errors import ExportError
from workers.export import write_whole


def leave_certificate(out: str | None, certificate: Any) -> Path | None:
    """Write FILE.certificate.json beside FILE, and return its path; stdout gets none.

    Without a certificate one that an earlier batch left there is removed: it is not that of these
    samples. Raises ExportError.
    """
    if out is None or out == "-":
        return None
    path = Path(f"{out}.certificate.json")
    if certificate is not None:
        write_whole(path, orjson.dumps(certificate, option=orjson.OPT_INDENT_2) + b"\n")
        return path
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise ExportError(f"can't remove {path}, of an earlier batch: {exc.strerror}") from exc
    return None
