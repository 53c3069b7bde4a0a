"""Makes samples: recipes, engines, the loop, the ledger. Knows nothing of HTTP."""
