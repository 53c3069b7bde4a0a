"""One script per peer, as its own documentation recommends; benchmarks/peers.py runs them."""
