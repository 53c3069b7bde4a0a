"""The `evaluate` module of gate quality: evaluate.load("graders/metrics/gate_quality")."""
