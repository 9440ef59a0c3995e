"""The state of one binding: the catalog as this query may see it, and the faults found so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pql.language import ast
from pql.language.bound import Passage, Route
from pql.language.catalog import Catalog, Column, Link, LogicalType, Table
from pql.language.errors import Fault
from pql.language.names import listed, look_up, nearest, singulars


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters `[start, end)` of the text by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault with the edits that would cure it (none where no repair is known).

    `around`: SQL in which the cured query stands as {}, where that is a part of the cure.
    """

    fault: Fault
    edits: tuple[Edit, ...] = ()
    around: str = ""


@dataclass(slots=True)
class Scope:
    """What the stages of one binding share. `touched` holds each table read, with the place that named it."""

    catalog: Catalog
    text: str
    query: ast.Predict
    entity: Table | None = None
    links: tuple[Link, ...] = ()
    using: frozenset[str] | None = None
    via: tuple[Passage, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    touched: dict[str, ast.Span] = field(default_factory=dict)
    via_used: dict[Passage, str] = field(default_factory=dict)  # with the table whose rows first went that way
    is_pair: bool = False

    def fault(
        self,
        code: str,
        message: str,
        span: ast.Span,
        *,
        hint: str = "",
        edits: Iterable[Edit] = (),
        near: tuple[str, ...] = (),
        around: str = "",
    ) -> None:
        """Note a fault; binding goes on, so that all independent ones are found."""
        place = None if span == ast.NOWHERE else span
        self.findings.append(Finding(Fault(code, message, place, hint, None, near), tuple(edits), around))

    def source(self, span: ast.Span) -> str:
        """The text of the query at a place."""
        return self.text[span.start : span.end]

    def replaced(self, span: ast.Span, text: str) -> tuple[Edit, ...]:
        """The edit that puts `text` at a place; none where the tree has no places."""
        return () if span == ast.NOWHERE else (Edit(span.start, span.end, text),)

    def removed(self, span: ast.Span) -> tuple[Edit, ...]:
        """The edit that takes a clause out, with the space before it."""
        start = span.start
        while start > 0 and self.text[start - 1].isspace():
            start -= 1
        return () if span == ast.NOWHERE else (Edit(start, span.end, ""),)

    def without(self, word: str, span: ast.Span) -> tuple[Edit, ...]:
        """The edit that takes out a clause: from its keyword `word`, at or before `span`, to the span's end."""
        start = -1 if span == ast.NOWHERE else self.text.upper().rfind(word, 0, span.start + len(word))
        return () if start < 0 else self.removed(ast.Span(start, span.end))

    def appended(self, text: str) -> tuple[Edit, ...]:
        """The edit that adds a clause at the end of the query."""
        end = self.query.span.end
        return () if self.query.span == ast.NOWHERE else (Edit(end, end, " " + text),)

    def touch(self, table: str, span: ast.Span) -> None:
        self.touched.setdefault(table, span)

    def touch_route(self, route: Route, span: ast.Span) -> None:
        for step in route:
            self.touch(step.target, span)


def quoted(name: str) -> str:
    """A name as it may stand in a query: in backticks unless it is a plain word."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    return name if plain else "`" + name.replace("`", "``") + "`"


def find_table(scope: Scope, name: ast.Identifier, *, edits: Iterable[Edit] | None = None) -> Table | None:
    """The table meant by `name`; a fault and None where there is none, or more than one."""
    names = [table.name for table in scope.catalog.tables]
    found = look_up(name.text, names, plurals=True)
    if found.name is not None:
        return scope.catalog.table(found.name)
    if found.several:
        message = f"the table {name.text} may mean {listed(found.several)}"
        scope.fault("ambiguous_table", message, name.span, hint="write the name exactly", near=found.several)
        return None
    near = nearest(name.text, names)
    if edits is None and near:
        edits = scope.replaced(name.span, quoted(near[0]))
    hint = f"did you mean {near[0]}?" if near else f"the tables are: {listed(names)}"
    scope.fault("unknown_table", f"there is no table {name.text}", name.span, hint=hint, edits=edits or (), near=near)
    return None


def canonical(scope: Scope, table: Table) -> Table:
    """The table whose rows stand for those of `table`: of a virtual one and the one that enriches it, the virtual
    one, unless the other is the entity."""
    if scope.entity is not None and scope.entity.enriches == table.name:
        return scope.entity
    if table.enriches is None or not scope.catalog.has(table.enriches):
        return table
    if scope.entity is not None and scope.entity.name == table.name:
        return table
    return scope.catalog.table(table.enriches)


def find_column(scope: Scope, node: ast.ColumnName, home: Iterable[str] = ()) -> tuple[Table, Column] | None:
    """The column meant by `node`; a fault and None otherwise. A bare name is looked for in `home` tables first."""
    if node.table is not None:
        table = find_table(scope, node.table)
        return None if table is None else _column_of(scope, table, node)
    return _bare_column(scope, node, tuple(home))


def _column_of(scope: Scope, table: Table, node: ast.ColumnName) -> tuple[Table, Column] | None:
    name = node.column
    for place in (canonical(scope, table), table):
        found = look_up(name.text, [column.name for column in place.columns])
        if found.name is not None:
            return place, place.column(found.name)
        if found.several:
            message = f"{table.name}.{name.text} may mean {listed(found.several)}"
            scope.fault("ambiguous_column", message, name.span, hint="write the name exactly", near=found.several)
            return None
    names = [column.name for column in table.columns]
    near = nearest(name.text, names)
    hint = f"did you mean {near[0]}?" if near else f"its columns are: {listed(names)}"
    elsewhere = [t.name for t in scope.catalog.tables if look_up(name.text, [c.name for c in t.columns]).name]
    edits = scope.replaced(name.span, quoted(near[0])) if near else ()
    if not near and elsewhere:
        hint = f"the column {name.text} is one of {listed(elsewhere)}"
        if len(elsewhere) == 1 and node.table is not None:
            edits = scope.replaced(node.table.span, quoted(elsewhere[0]))
    scope.fault(
        "unknown_column",
        f"the table {table.name} has no column {name.text}",
        name.span,
        hint=hint,
        edits=edits,
        near=near,
    )
    return None


def _bare_column(scope: Scope, node: ast.ColumnName, home: tuple[str, ...]) -> tuple[Table, Column] | None:
    name = node.column
    for table_name in home:
        table = scope.catalog.table(table_name)
        found = look_up(name.text, [column.name for column in table.columns])
        if found.name is not None:
            return table, table.column(found.name)
    hits: dict[str, str] = {}
    for table in scope.catalog.tables:
        if scope.using is not None and table.name not in scope.using:
            continue
        found = look_up(name.text, [column.name for column in table.columns])
        if found.name is not None:
            hits.setdefault(
                canonical(scope, table).name if canonical(scope, table).has(found.name) else table.name, found.name
            )
    if len(hits) == 1:
        (table_name, column_name), *_ = hits.items()
        table = scope.catalog.table(table_name)
        return table, table.column(column_name)
    if hits:
        shown = tuple(f"{quoted(table)}.{quoted(column)}" for table, column in hits.items())
        message = f"the column {name.text} is in several tables: {listed(list(hits))}"
        edits = scope.replaced(node.span, shown[0])
        hint = f"write {' or '.join(shown)}"
        scope.fault("ambiguous_column", message, node.span, hint=hint, edits=edits, near=shown)
        return None
    tables = [table.name for table in scope.catalog.tables]
    meant = look_up(name.text, tables, plurals=True).name
    if meant is not None:
        message = f"the name {name.text} is a table's, and a column is needed here"
        edits = scope.replaced(node.span, f"{quoted(meant)}.*")
        hint = f"name a column of it, or count its rows with {quoted(meant)}.*"
        scope.fault("unknown_column", message, name.span, hint=hint, edits=edits)
        return None
    everywhere = sorted({column.name for table in scope.catalog.tables for column in table.columns})
    near = nearest(name.text, everywhere)
    hint = f"did you mean {near[0]}?" if near else f"a text stands in quotes: '{name.text}'"
    edits = scope.replaced(name.span, quoted(near[0])) if near else ()
    scope.fault("unknown_column", f"no table has a column {name.text}", name.span, hint=hint, edits=edits, near=near)
    return None


def knows_column(scope: Scope, name: str) -> bool:
    """Whether any table has a column of this name."""
    return any(look_up(name, [c.name for c in table.columns]).name is not None for table in scope.catalog.tables)


def same_table_word(left: str, right: str) -> bool:
    """Whether two words name the same table up to case and number."""
    return bool(singulars(left) & singulars(right))


def is_clocked(table: Table) -> bool:
    """Whether rows of the table have a time of their own or through a row they belong to."""
    return table.clock.kind in ("own", "inherited")


def is_own_key(table: Table, column: str) -> bool:
    """Whether the column alone is the table's primary key."""
    return table.key is not None and table.key.columns == (column,)


def foreign_key(scope: Scope, table: str, column: str) -> Link | None:
    """The link over this one column, to the virtual table where the parent has one."""
    links = [link for link in scope.catalog.links if link.child == table and link.child_columns == (column,)]
    if not links:
        return None
    usable = [link for link in links if link in scope.links]
    for link in usable or links:
        if scope.catalog.table(link.parent).virtual is not None:
            return link
    return (usable or links)[0]


def timestamps(table: Table) -> tuple[str, ...]:
    """The names of the table's timestamp columns."""
    return tuple(column.name for column in table.columns if column.type is LogicalType.TIMESTAMP)
