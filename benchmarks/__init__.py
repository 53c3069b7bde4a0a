"""Every figure in the README comes from a script here; their output lies in results/."""
