"""Models: what learns from features, pasts and the graph, each with `fit`, `predict` and a state to keep."""
