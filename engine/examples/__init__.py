"""Examples: the training table in the graph's terms, enough of them, and as stale as in use."""
