"""The `evaluate` module of diversity: evaluate.load("graders/metrics/diversity")."""
