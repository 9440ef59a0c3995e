"""Tables that know how people are shown them, and those that are no predictions: reports, and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pql.arrow_rows import ArrowRows

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.pictures.figure import Pictures


class ShownTable(ArrowRows):
    """A table for people and programs. `display` has name columns beside ids."""

    def __init__(self, table: pa.Table, display: pa.Table | None = None) -> None:
        super().__init__(table)
        self._display = display if display is not None else table

    def text(self, limit: int = 20) -> str:
        """The first rows as text, with name columns beside ids where the database has them."""
        from pql.table import arrow_table_text

        return arrow_table_text(self._display, limit=limit, total=len(self))

    def shown(self, limit: int = 20) -> str:
        """What a person is shown: the first rows and whatever belongs beside them."""
        return self.text(limit)

    def __str__(self) -> str:
        return self.shown()

    @property
    def display(self) -> pa.Table:
        """The rows as people are shown them: with name columns beside ids where the database has them; of a long table
        the first ones."""
        return self._display

    def html(self, limit: int = 20) -> str:
        """What `shown` tells, as markup for a notebook or page: every text escaped, no scripts."""
        from pql.html_views import table_html

        return table_html(self, limit)

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.shown())  # what IPython shows in a terminal

    def show(self, limit: int = 20) -> None:
        """Print the first rows and what belongs beside them."""
        import sys

        sys.stdout.write(self.shown(limit) + "\n")


class Report(ShownTable):
    """A table that isn't a prediction (labels, models, tables), with a text of its own where a table isn't enough."""

    def __init__(self, table: pa.Table, text: str | None = None) -> None:
        super().__init__(table)
        self._text = text

    def __repr__(self) -> str:
        return f"<pql.{type(self).__name__}: {len(self):,} rows of {', '.join(self.columns)}>"

    def shown(self, limit: int = 20) -> str:
        return self._text if self._text is not None else self.text(limit)

    def html(self, limit: int = 20) -> str:
        from pql.html_views import table_html, told_html

        return table_html(self, limit) if self._text is None else told_html(self._text)


class Why(Report):
    """The reasons of some predictions. `scale`: what the contributions add up to, the `log-odds` of a probability or
    the `value` shown. `sentences`: one per prediction, in words."""

    def __init__(self, table: pa.Table, display: pa.Table, scale: str, sentences: tuple[str, ...]) -> None:
        super().__init__(table)
        self._display = display
        self.scale = scale
        self.sentences = sentences

    def shown(self, limit: int = 60) -> str:
        """The reasons, and a sentence on each prediction."""
        return "\n".join([self.text(limit), *self.sentences])

    def pictures(self) -> Pictures:
        """One picture per prediction: what all begin with, what each reason adds, and where that leads."""
        from pql.pictures.figure import Pictures
        from pql.pictures.reasons import Step, reasons_picture

        steps: list[list[Step]] = []
        for row in self if self.sentences else ():  # a key may be called like any of these columns, so by place
            number, feature, value, amount = row[-9], row[-8], row[-2], row[-1]
            steps += [[]] if number == 0 else []
            steps[-1].append(Step(feature, value or "", amount))
        heads = [said.split(", from ")[0] for said in self.sentences]
        return Pictures(reasons_picture(head, some, self.scale) for head, some in zip(heads, steps, strict=True))

    def html(self, limit: int = 60) -> str:
        from pql.html_views import why_html

        return why_html(self, limit)
