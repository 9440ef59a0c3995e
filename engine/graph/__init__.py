"""The temporal graph: rows as nodes, links as edges, seeds and their neighbours as of an anchor."""
