"""What an agent may ask of a database: seven questions, answered as small JSON values, within caps of rows and time.

Nothing is written and no SQL is run. What stands in the data (names of tables and columns, values) is data: it is
handed on as values, cut where it is long, and nobody follows it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pql.faces.turns import Turns
from pql.language import ast
from pql.language.errors import Fault, PqlError

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.engine.planning.plan import Plan
    from pql.result import Predictions

Values = dict[str, Any]
T = TypeVar("T")

LONGEST_CELL = 200  # characters
KEPT = 2  # predictions whose reasons may be asked for without training again


@dataclass(frozen=True, slots=True)
class Caps:
    """What one question may cost. rows: of an answer. seconds: of work. characters: of an explanation."""

    rows: int = 100
    seconds: float = 120.0
    characters: int = 20_000

    @property
    def budget(self) -> float:
        """The largest budget of WITH, in seconds: half the time, since reading and predicting take some, too."""
        return max(1.0, self.seconds / 2)


class Agent:
    """The answers to an agent's questions about one database, one question at a time, each within the caps.

    `turns`: who is asked for, and what gives a question up.
    """

    def __init__(self, database: Any, caps: Caps | None = None, **connection: Any) -> None:
        """Open `database`, whatever `pql.connect` takes, to read. connection: home and options of `pql.connect`, whose
        PqlError it raises."""
        from pql.session import connect

        self.caps = caps or Caps()
        self.turns = Turns()
        self._kept: OrderedDict[str, Predictions] = OrderedDict()
        self._db = self.turns.first(lambda: connect(database, listener=self.turns, **connection))
        self.turns.stop = self._db.stop

    def close(self) -> None:
        """End what runs and let go of the data."""
        self.turns.close(self._db.close)

    # ------------------------------------------------------------ questions

    def list_tables(self) -> Values:
        """The tables: kind, rows, columns, key, clock, and which they point to; and queries that run on them."""
        from pql.first_questions import first_questions

        def told() -> Values:
            tables = self._rows(self._db.run("SHOW TABLES")[0].to_arrow_table(), self.caps.rows)
            return {**tables, "queries_to_begin_with": list(first_questions(self._db.catalog()))}

        return self._within(told)

    def describe(self, table: str) -> Values:
        """The columns of a table: type, how they are read, role, distinct values, share of NULL; and its links."""
        from pql.language.format import format as canonical

        def told() -> Values:
            statement = canonical(ast.Describe(ast.Identifier(table)))
            return {"table": table, **self._rows(self._db.run(statement)[0].to_arrow_table(), 10 * self.caps.rows)}

        return self._within(told)

    def validate(self, query: str) -> Values:
        """Whether a query would run, and what it means. Nothing is trained."""
        return self._within(lambda: {"valid": True, **_meaning(self._db.plan(query))})

    def explain(self, query: str) -> Values:
        """All that is decided about a query, as a text."""

        def told() -> Values:
            text = str(self._db.explain(self._affordable(query)))
            cut = len(text) - self.caps.characters
            return {"explanation": text if cut <= 0 else text[: self.caps.characters] + f"\n… {cut:,} characters more"}

        return self._within(told)

    def predict(self, query: str, limit: int = 20) -> Values:
        """The first rows of a query's predictions, and how good they are."""

        def told() -> Values:
            result = self._predicted(query)
            told = {"quality": result.metrics.verdict() or None, "model": str(result.model), "notes": [*result.notes]}
            return {**self._rows(result.to_arrow_table(), min(limit, self.caps.rows)), **told, **_reading(result.plan)}

        return self._within(told)

    def evaluate(self, query: str) -> Values:
        """The metrics of a query's model beside every baseline."""

        def told() -> Values:
            result = self._db.evaluate(self._affordable(query))
            rows = self._rows(result.to_arrow_table(), self.caps.rows)
            return {**rows, "quality": result.metrics.verdict() or None, "notes": [*result.notes]}

        return self._within(told)

    def why(self, query: str, rows: int = 3, entity: int | str | None = None, most: int = 5) -> Values:
        """The reasons of the first rows of a query's predictions, or of the rows of one entity."""

        def told() -> Values:
            result = self._predicted(query, at_hand=True)
            found = result.why(min(rows, self.caps.rows), entity=_in_its_type(entity, result), most=most)
            shown = self._rows(found.to_arrow_table(), self.caps.rows)
            return {**shown, "adds_up_to": found.scale, "sentences": [*found.sentences]}

        return self._within(told)

    # ------------------------------------------------------------ parts

    def _predicted(self, query: str, *, at_hand: bool = False) -> Predictions:
        """The answer of a query, as it was given where it was; one whose training was cut short only if `at_hand`."""
        text = self._affordable(query)
        kept = self._kept.get(text)
        if kept is not None and (at_hand or not kept.model.stopped):
            self._kept.move_to_end(text)
            return kept
        self._kept[text] = result = self._db.predict(text)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return result

    def _affordable(self, query: str) -> str:
        """The query, its budget no larger than the caps allow. Raises PqlError for every fault of it."""
        from pql.language.format import format as canonical
        from pql.language.parser import parse

        if self._db.plan(query).query.options.budget_seconds <= self.caps.budget:
            return query
        statement: Any = parse(query)
        if isinstance(statement, ast.Predict):
            return canonical(_with_budget(statement, self.caps.budget))
        return canonical(replace(statement, query=_with_budget(statement.query, self.caps.budget)))

    def _within(self, work: Callable[[], T]) -> T:
        """What `work` gives, if it does in time. Raises PqlError `stopped` where it doesn't."""
        return self.turns.within(work, self.caps.seconds)

    @staticmethod
    def _rows(table: pa.Table, limit: int) -> Values:
        """The first rows of a table, each as a list, and how many there are."""
        from pql.json_rows import plain

        head = table.slice(0, max(1, limit))
        columns = [[_cut(plain(value)) for value in column.to_pylist()] for column in head.columns]
        rows = [list(row) for row in zip(*columns, strict=True)]
        return {"columns": table.column_names, "rows": rows, "total_rows": table.num_rows}


def told_as_data(error: PqlError) -> Values:
    """An error as an agent reads it: every fault with its code, message, hint, fix and place."""
    return {"errors": [_fault(fault, error.text) for fault in error.faults]}


def _fault(fault: Fault, text: str | None) -> Values:
    from pql.language.error_text import line_and_column

    told: Values = {"code": fault.code, "message": fault.message}
    if fault.hint:
        told["hint"] = fault.hint
    if fault.fix is not None:
        told["fix"] = fault.fix
    if fault.nearest:
        told["nearest"] = list(fault.nearest)
    if fault.span is not None and text:
        line, column = line_and_column(text, fault.span.start)
        told["place"] = {"line": line, "column": column, "words": text[fault.span.start : fault.span.end]}
    return told


def _meaning(plan: Plan) -> Values:
    from pql.engine.planning.anchors import show_time
    from pql.language.format import format as canonical

    told: Values = {
        "query": canonical(plan.query.syntax),
        "task": plan.task.kind.value,
        "because": plan.task.reason,
        "as_of": show_time(plan.split.prediction),
        "columns": list(plan.output.columns),
        "warnings": [str(warning) for warning in plan.warnings],
    }
    return {**told, **_reading(plan)}


def _reading(plan: Plan) -> Values:
    return {"read_as": plan.query.reading} if plan.query.reading else {}


def _with_budget(query: ast.Predict, seconds: float) -> ast.Predict:
    """The query with a budget of so many seconds."""
    others = tuple(option for option in query.options if option.name.text.lower() != "budget")
    budget = ast.Option(ast.Identifier("budget"), ast.Literal(f"{seconds:g} s"))
    return replace(query, options=(*others, budget))


def _in_its_type(entity: int | str | None, result: Predictions) -> object:
    """A key as the database stores it: agents write numbers as text, and texts of digits as numbers."""
    if entity is None:
        return None
    keys = result.to_arrow_table().column(0).slice(0, 1).to_pylist()
    if keys and isinstance(keys[0], int) and isinstance(entity, str) and entity.strip().lstrip("-").isdecimal():
        return int(entity)
    if keys and isinstance(keys[0], str):
        return str(entity)
    return entity


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_CELL:
        return value[: LONGEST_CELL - 1] + "…"
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value
