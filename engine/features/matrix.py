"""The table of features of some seeds: names, values, and which columns are codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """As-of relational features of n seeds. `values` float32[n, f], NaN where undefined.

    `categorical` names the columns that hold codes (small integers, -1 unknown); the rest are quantities.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    categorical: tuple[str, ...] = ()

    def take(self, index: NDArray[np.int64]) -> FeatureMatrix:
        return FeatureMatrix(self.names, self.values[index], self.categorical)
