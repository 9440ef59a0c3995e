"""A result is read as a table by the tools people have: tuples, numpy, pandas, polars, DuckDB, files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from shops import seed_shop

import pql
from pql.arrow_rows import ArrowRows
from pql.language.errors import PqlError

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = entity_mean)"
COLUMNS = ["CUSTOMER_ID", "anchor", "probability", "prediction"]
MIXED = pa.table(
    {
        "id": pa.array([1, None, 3]),
        "name": pa.array(["a", None, "c|d"]),
        "at": pa.array([dt.datetime(2024, 1, 1), None, dt.datetime(2024, 1, 3, 4)], pa.timestamp("us")),
        "yes": pa.array([True, None, False]),
        "of": pa.array([[1], None, []], pa.list_(pa.int64())),
        "value": pa.array([0.5, None, float("nan")]),
    }
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pql.Predictions]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        with pql.connect(seed_shop()) as db:
            yield db.predict(CHURN)


def test_a_result_tells_its_shape_and_types(result: pql.Predictions) -> None:
    assert result.columns == COLUMNS
    assert result.types == ["BIGINT", "TIMESTAMP", "DOUBLE", "BOOLEAN"]
    assert result.shape == (len(result), 4)
    assert [column[:2] for column in result.description] == list(zip(COLUMNS, result.types, strict=True))
    assert all(len(column) == 7 for column in result.description)


def test_types_have_the_names_duckdb_gives_them() -> None:
    kinds = "1::TINYINT, 1::UBIGINT, 1.5::DECIMAL(9,2), 1.5::FLOAT, 'a', DATE '2024-01-01', TIMESTAMPTZ '2024-01-01', "
    kinds += "TIME '12:00', [1.5::DOUBLE], {'a': true}, '\\xAA'::BLOB, INTERVAL 1 DAY"
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        made = con.sql(f"SELECT {kinds}")
        assert ArrowRows(made.to_arrow_table()).types == [str(kind).replace('"', "") for kind in made.types]


def test_rows_are_fetched_one_by_one_many_by_many_and_all(result: pql.Predictions) -> None:
    rows = list(result)
    assert result.fetchall() == rows == list(result)
    assert result.fetchone() == rows[0]
    assert result.fetchmany(3) == rows[1:4]
    assert list(result) == rows
    assert result.fetchall() == rows[4:]
    assert result.fetchall() == rows
    assert result.fetchmany(len(rows) + 9) == rows
    assert result.fetchone() is None


def test_duckdb_reads_a_result_by_its_name(result: pql.Predictions) -> None:
    with duckdb.connect() as con:
        (found,) = con.sql("SELECT count(*), avg(probability) FROM result WHERE prediction").fetchall()
        con.register("churn", result)
        assert con.sql("SELECT count(*) FROM churn").fetchall() == [(len(result),)]
    chosen = [row[2] for row in result if row[3]]
    assert found == (len(chosen), pytest.approx(np.mean(chosen)))


def test_dataframes_read_a_result(result: pql.Predictions) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rows = list(result)
    assert polars.DataFrame(result).rows() == rows
    assert result.pl().equals(polars.DataFrame(result))
    frame = pandas.DataFrame.from_arrow(result) if hasattr(pandas.DataFrame, "from_arrow") else result.df()
    assert list(frame.itertuples(index=False, name=None)) == rows
    assert result.df().equals(result.fetchdf())
    assert result.arrow().read_all().equals(result.to_arrow_table())
    assert pa.table(result).equals(result.to_arrow_table())


def test_numpy_arrays_mask_what_is_null(result: pql.Predictions) -> None:
    assert result.fetchnumpy()["probability"].tolist() == [row[2] for row in result]
    arrays = ArrowRows(MIXED).fetchnumpy()
    assert all(array.mask.tolist() == [False, True, False] for array in arrays.values())
    assert arrays["id"].dtype == np.int64
    assert arrays["yes"].dtype == np.bool_
    assert arrays["id"].tolist() == [1, None, 3]
    assert arrays["name"].tolist() == ["a", None, "c|d"]


def test_files_hold_the_rows(result: pql.Predictions, tmp_path: Path) -> None:
    result.to_parquet(tmp_path / "churn.parquet")
    assert pq.read_table(tmp_path / "churn.parquet").equals(result.to_arrow_table())
    result.to_csv(tmp_path / "churn.csv")
    assert csv.read_csv(tmp_path / "churn.csv").num_rows == len(result)
    result.to_json(tmp_path / "churn.jsonl")
    lines = (tmp_path / "churn.jsonl").read_text().splitlines()
    assert [json.loads(line)["probability"] for line in lines] == [row[2] for row in result]


def test_json_has_no_value_that_json_lacks(tmp_path: Path) -> None:
    rows = ArrowRows(MIXED)
    first, second, third = json.loads(str(rows.to_json()), parse_constant=pytest.fail)
    assert first == {"id": 1, "name": "a", "at": "2024-01-01 00:00:00", "yes": True, "of": [1], "value": 0.5}
    assert set(second.values()) == {None}
    assert third["value"] is None
    rows.to_json(tmp_path / "mixed.json")
    assert json.loads((tmp_path / "mixed.json").read_text()) == [first, second, third]
    rows.to_csv(tmp_path / "mixed.csv")
    assert "[1]" in (tmp_path / "mixed.csv").read_text()


@pytest.mark.parametrize("write", ["to_parquet", "to_csv", "to_json"])
def test_a_file_that_cannot_be_written_is_a_coded_error(write: str, tmp_path: Path) -> None:
    with pytest.raises(PqlError) as caught:
        getattr(ArrowRows(MIXED), write)(tmp_path / "no such folder" / "x")
    assert caught.value.code == "file_not_writable"
