"""Make shop.duckdb (or the file that is named) for the project beside this: the camera shop of `examples/data`."""

import sys
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data import camera_shop


def main(path: str = "shop.duckdb") -> None:
    with duckdb.connect(path) as con:
        for name, table in camera_shop.tables().items():
            con.register("made", table)
            con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM made")
            con.unregister("made")


if __name__ == "__main__":
    main(*sys.argv[1:])
