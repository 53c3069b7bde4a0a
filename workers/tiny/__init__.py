"""`winnow-tiny`, the model that ships: its weights, the text it learned from, its training."""

from pathlib import Path

MODEL_NAME = "winnow-tiny"
MODEL_DIR = Path(__file__).parent / "model"
