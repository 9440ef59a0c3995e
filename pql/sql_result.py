"""What SQL with predictions inside answers with: its rows, and how good each of the predictions is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pql.shown_table import Report

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.result import Predictions


class SqlResult(Report):
    """The rows of a SQL statement. `predictions` are those of its queries, in the order of the text."""

    def __init__(self, table: pa.Table, predictions: tuple[Predictions, ...] = (), lines: tuple[int, ...] = ()) -> None:
        super().__init__(table)
        self.predictions = predictions
        self._lines = lines

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about the predictions, each note once."""
        return tuple(dict.fromkeys(note for one in self.predictions for note in one.notes))

    def shown(self, limit: int = 20) -> str:
        """The first rows, one sentence on how good each query's predictions are, and the notes."""
        explained = self.columns == ["explain_key", "explain_value"]
        parts = [str(row[1]).rstrip() for row in self] if explained else [self.text(limit)]
        return "\n".join([*parts, *self.remarks()])

    def remarks(self) -> list[str]:
        """The verdicts and the notes: what people are told beside the rows."""
        return [*self.verdicts(), *(f"note: {note}" for note in self.notes)]

    def html(self, limit: int = 20) -> str:
        from pql.html_views import sql_html

        return sql_html(self, limit)

    def verdicts(self) -> list[str]:
        """One sentence on how good each query's predictions are."""
        several = len({id(one) for one in self.predictions}) > 1
        told: set[int] = set()
        parts: list[str] = []
        for one, line in zip(self.predictions, self._lines, strict=True):
            quality = one.metrics.verdict()
            if quality and id(one) not in told:
                told.add(id(one))
                which = f" (query {len(told)}, line {line})" if several else ""
                parts.append(f"quality{which}: {quality}")
        return parts

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.shown())
