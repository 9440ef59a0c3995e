"""Pictures of graphs, models and predictions, as SVG made from plain values: no scripts, every text escaped."""
