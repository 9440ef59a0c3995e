"""A scikit-learn estimator over `db.fit`: who and when in X, what came true in y.

The features are pql's own, read from the database as of each row's moment.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score

from pql.language.errors import PqlError

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa

    from pql.own_labels import FittedLabels
    from pql.session import Session

TASKS = ("binary", "multiclass", "regression")
MANY = "task='multiclass' takes many."


class PqlPredictor(BaseEstimator):
    """Predicts what comes true for entities of a database at given moments.

    X has one row per entity and moment: a pandas or polars frame, an Arrow table or a dict of columns. Only the columns
    with the key and the time are read; everything else is read from the database.

    db: a `pql.Session`, or whatever `pql.connect` takes; a path is opened by every copy of its own. entity: the table
    and key that the rows are about. time: the column of X with the moments; without it each row of the entity's table
    is its own moment. entity_column: the column of X with the keys, if it isn't called like the key. horizon: how long
    after the moment y is known, as '30 days'. task: `binary`, `multiclass` or `regression`; without it y says: 0 and 1
    or true and false, text, other numbers. ignoring: columns of the database that aren't read. until: no row later than
    this is read. model, budget, seed and the others in `options`: options of WITH.

    After fit: `model_` (what `db.fit` gives, with metrics beside the baselines, plan, notes), `classes_` of a
    classifier, `feature_names_in_`, `n_features_in_`.
    """

    def __init__(
        self,
        db: Any = None,
        entity: str | None = None,
        *,
        time: str | None = None,
        entity_column: str | None = None,
        horizon: dt.timedelta | str | None = None,
        task: str | None = None,
        ignoring: Sequence[str] = (),
        until: str | dt.date | None = None,
        model: str | None = None,
        budget: str | None = None,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.db = db
        self.entity = entity
        self.time = time
        self.entity_column = entity_column
        self.horizon = horizon
        self.task = task
        self.ignoring = ignoring
        self.until = until
        self.model = model
        self.budget = budget
        self.seed = seed
        self.options = options

    def __sklearn_clone__(self) -> Self:
        """A copy with the same parameters and nothing learnt; a session is shared."""
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self) -> Any:
        """A classifier or a regressor, as the task or what was fitted says."""
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = self._estimator_type
        tags.classifier_tags = ClassifierTags() if tags.estimator_type == "classifier" else None
        tags.regressor_tags = RegressorTags() if tags.estimator_type == "regressor" else None
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    @property
    def _estimator_type(self) -> str | None:
        task = getattr(self, "task_", self.task)
        return {"binary": "classifier", "multiclass": "classifier", "regression": "regressor"}.get(str(task))

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Learn from who and when (X) and what came true (y).

        Raises PqlError: `bad_fit_argument`, `bad_label_table`, and all that `Session.fit` raises.
        """
        table, labels = _table(X), _labels(y)
        if len(labels) != table.num_rows:
            message = f"X has {table.num_rows:,} rows and y has {len(labels):,}"
            raise PqlError("bad_label_table", message, hint="Give one label per row.")
        task = _task(labels, self.task)
        classes, target = _coded(labels, task)
        name = _free("label", table.column_names)
        fitted = self._session().fit(
            table.append_column(name, target), target=name, task=task, **self._arguments(table.column_names)
        )
        for learnt in ("classes_", "task_"):
            if hasattr(self, learnt):
                delattr(self, learnt)
        self.task_ = task
        if classes is not None:
            self.classes_ = classes
        self.feature_names_in_ = np.array(table.column_names, dtype=object)
        self.n_features_in_ = table.num_columns
        self.model_: FittedLabels = fitted
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """One class or number per row of X, in its order; yes or no as pql says it, at the threshold of the best F1.

        Raises scikit-learn's NotFittedError, and PqlError `unknown_entity` for keys that the database lacks.
        """
        table = self._asked(X)
        result = self.model_.predict(table).to_arrow_table()
        values = result.column("prediction")
        self._refuse_unknown(np.asarray(values.is_null().to_numpy(), dtype=bool), table)
        if self.task_ == "regression":
            return np.asarray(values.to_numpy(), dtype=np.float64)
        return self.classes_[np.array([int(value) for value in values.to_pylist()], dtype=np.int64)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """float64[rows, classes]: the probability of each of `classes_`.

        Raises PqlError `bad_fit_argument` of a regression, `unknown_entity` for keys that the database lacks.
        """
        table = self._asked(X)
        classes, found = self.model_.probabilities(table)
        self._refuse_unknown(np.asarray(np.isnan(found).any(axis=1), dtype=bool), table)
        probability = np.zeros((table.num_rows, len(self.classes_)))
        probability[:, [int(code) for code in classes]] = found
        return probability

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """The accuracy of a classifier, R² of a regression."""
        predicted, truth = self.predict(X), np.asarray(_labels(y).to_pylist())
        measure = r2_score if self.task_ == "regression" else accuracy_score
        return float(measure(truth, predicted))

    # ------------------------------------------------------------ parts

    def _session(self) -> Session:
        from pql.session import Session, connect

        if isinstance(self.db, Session):
            return self.db
        if self.db is None:
            raise _bad("there is no database", "PqlPredictor(db=…) takes a session, or what pql.connect takes.")
        session = connect(self.db)
        weakref.finalize(self, session.close)
        return session

    def _arguments(self, columns: Sequence[str]) -> dict[str, Any]:
        """What `Session.fit` is told beside the table and its target."""
        if not isinstance(self.entity, str):
            raise _bad(
                f"entity is {self.entity!r}, not a name", "entity='customers.customer_id' names the table and its key."
            )
        named = {"model": self.model, "budget": self.budget, "seed": self.seed}
        options = {**(self.options or {}), **{name: value for name, value in named.items() if value is not None}}
        return {
            "entity": self.entity,
            "time": self.time,
            "entity_column": self.entity_column,
            "horizon": self.horizon,
            "ignoring": self.ignoring,
            "until": self.until,
            **options,
        }

    def _asked(self, X: Any) -> pa.Table:  # noqa: N803
        """X as a table, without a column that is called like the labels. Raises scikit-learn's NotFittedError."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "model_")
        table = _table(X)
        wanted = [name for name in self.feature_names_in_ if name in table.column_names]
        return table.select(wanted)

    def _refuse_unknown(self, unknown: NDArray[np.bool_], table: pa.Table) -> None:
        if not unknown.any():
            return
        column = self.entity_column or str(self.entity).rpartition(".")[2]
        names = [name for name in table.column_names if name.lower() == column.lower()] or table.column_names[:1]
        some = [repr(table.column(names[0])[int(i)].as_py()) for i in np.flatnonzero(unknown)[:3]]
        raise PqlError(
            "unknown_entity",
            f"{int(unknown.sum()):,} rows of X have keys that {self.entity} lacks: {', '.join(some)} …",
            hint="Leave those rows out; model_.predict(X) flags them in the column status instead.",
        )


def _table(X: Any) -> pa.Table:  # noqa: N803
    """X as an Arrow table. Raises PqlError `bad_label_table` for an array, whose columns have no names."""
    from pql.backends.table_source import read_table

    if isinstance(X, np.ndarray):
        raise PqlError(
            "bad_label_table",
            "X is an array, whose columns have no names",
            hint="Give a DataFrame with the key and the time; set_output(transform='pandas') keeps it one.",
        )
    return read_table(X, "X")


def _labels(y: Any) -> pa.Array:
    """y as an Arrow array without gaps. Raises PqlError `bad_label_table`."""
    import pyarrow as pa

    if y is None:
        raise PqlError("bad_label_table", "y is None", hint="fit(X, y) takes what came true for each row of X.")
    y = np.asarray(y.to_pylist()) if isinstance(y, pa.Array | pa.ChunkedArray) else y
    values = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        message = f"y has {values.ndim} dimensions"
        raise PqlError("bad_label_table", message, hint="Give one label per row.")
    try:
        labels = pa.array(values, from_pandas=True)
    except pa.ArrowException as error:
        raise PqlError("bad_label_table", f"y can't be read: {error}", hint="Give labels of one type.") from error
    if labels.null_count:
        message = f"{labels.null_count:,} of {len(labels):,} labels are missing"
        raise PqlError("bad_label_table", message, hint="Leave those rows out.")
    return labels


def _task(labels: pa.Array, asked: str | None) -> str:
    """What is learnt: the task asked for, else what the labels say."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if asked is not None:
        if asked not in TASKS:
            raise _bad(f"task is {asked!r}", f"The tasks are {', '.join(TASKS)}; rankings are learnt by db.fit.")
        return asked
    kind = labels.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    values = pc.unique(labels)
    if is_number and not set(values.to_pylist()) <= {0, 1}:
        return "regression"
    return "binary" if len(values) <= 2 else "multiclass"


def _coded(labels: pa.Array, task: str) -> tuple[NDArray[Any] | None, pa.Array]:
    """The classes, sorted, and the labels as `Session.fit` takes them: numbers, true and false, or codes as text."""
    import pyarrow as pa

    if task == "regression":
        return None, labels
    classes, codes = np.unique(np.asarray(labels.to_pylist()), return_inverse=True)
    if len(classes) < 2 or (task == "binary" and len(classes) > 2):
        some = ", ".join(map(repr, classes[:5].tolist()))
        wanted = "two" if task == "binary" else "two or more"
        hint = "Give rows of both kinds: of one alone there is nothing to learn." if len(classes) < 2 else MANY
        raise _bad(f"y has {len(classes):,} classes ({some}), where {wanted} are needed", hint)
    return classes, pa.array(codes == 1) if task == "binary" else pa.array(codes.astype(str).tolist())


def _free(name: str, taken: Sequence[str]) -> str:
    """`name`, with underscores until no column is called so."""
    while name.lower() in {one.lower() for one in taken}:
        name += "_"
    return name


def _bad(message: str, hint: str) -> PqlError:
    return PqlError("bad_fit_argument", message, hint=hint)
