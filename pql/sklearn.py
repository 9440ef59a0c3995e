"""`from pql.sklearn import PqlPredictor`: the scikit-learn estimator. Its home is `pql.faces.sklearn`."""

from __future__ import annotations

from pql.faces.sklearn import PqlPredictor

__all__ = ["PqlPredictor"]
