"""Imports onnxruntime the way it must be; importing this imports nothing heavy."""

import os
from typing import Any


def import_onnxruntime() -> Any:
    """The module. Imported after usearch 2.26, version 1.31 ends the process; before it, not."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # or its import leaves a file in TMPDIR
    import onnxruntime

    return onnxruntime
