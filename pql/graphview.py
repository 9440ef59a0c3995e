"""The printer of a catalog: tables with keys and clocks, links with ratios and orphans, and why each is believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.language.catalog import Catalog, Clock, Evidence, Link, Role, Stype, Table

if TYPE_CHECKING:
    from pql.pictures.svg import Picture


@dataclass(frozen=True, slots=True, repr=False)
class GraphView:
    """A catalog that shows itself: `str()` of it is the text of `render_graph`. `declared`: overrides as statements."""

    catalog: Catalog
    declared: tuple[str, ...] = ()

    def __str__(self) -> str:
        return render_graph(self.catalog, self.declared)

    __repr__ = __str__

    def picture(self) -> Picture:
        """Tables as boxes, links as arrows from child to parent: an SVG picture (`.svg()`, `.save(path)`)."""
        from pql.pictures.graph import graph_picture

        return graph_picture(self.catalog)

    def _repr_html_(self) -> str:
        from pql.html_views import graph_html

        return graph_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def to_json(self) -> dict[str, Any]:
        """The catalog as JSON values, links also as text, and what is declared as statements."""
        from pql.bound_text import as_json

        links = [{**as_json(link), "text": str(link)} for link in self.catalog.links]
        return {**as_json(self.catalog), "links": links, "declared": list(self.declared)}


def render_graph(catalog: Catalog, declared: tuple[str, ...] = ()) -> str:
    """The whole graph for a person, one block each for tables, links, what the user has declared, and warnings."""
    blocks = [_section("tables", [line for table in catalog.tables for line in _table_lines(table)])]
    if catalog.links:
        blocks.append(_section("links", _link_lines(catalog)))
    if declared:
        blocks.append(_section("declared by you", list(declared)))
    if catalog.warnings:
        blocks.append(_section("warnings", [f"! {warning}" for warning in catalog.warnings]))
    return "\n\n".join(blocks)


def render_table(catalog: Catalog, name: str) -> str:
    """One table: its own lines, its columns, and the links from and to it. KeyError if it doesn't exist."""
    table = catalog.table(name)
    blocks = ["\n".join(_table_lines(table)), _section("columns", _column_lines(catalog, table))]
    links = (*catalog.links_from(name), *(link for link in catalog.links_to(name) if link.child != name))
    if links:
        blocks.append(_section("links", [_link_line(link) for link in links]))
    return "\n\n".join(blocks)


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines, every column as wide as its widest cell."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _table_lines(table: Table) -> list[str]:
    rows = f"{table.rows:,} rows" if table.rows is not None else "rows not counted"
    kind = "virtual" if table.virtual is not None else table.role.value
    lines = [f"{table.name}  ({kind}, {rows})"]
    if table.key is not None:
        lines.append(f"  key    {', '.join(table.key.columns)}{_because(table.key.evidence)}")
    else:
        lines.append("  key    none")
    lines.append(f"  clock  {describe_clock(table)}")
    if table.virtual is not None and table.virtual.enriched_by:
        lines.append(f"  columns from {table.virtual.enriched_by}")
    if table.enriches:
        lines.append(f"  its columns are shown at {table.enriches}")
    return lines


def describe_clock(table: Table) -> str:
    """The clock of a table in words, with its evidence."""
    clock: Clock = table.clock
    why = _because(clock.evidence)
    match clock.kind:
        case "own":
            return f"{clock.column}{why}"
        case "inherited":
            return f"through {clock.via}{why}"
        case "seen":
            return clock.evidence.note or "first seen"
    if table.always_known:
        return "none: known at all times" + why
    if table.role is Role.ENTITY:
        return "none: it describes, and is always known"
    return "none: facts without a time are no history"


def _because(evidence: Evidence) -> str:
    """The source and note of evidence in brackets; nothing for an inference that needs no word."""
    said = [evidence.source] if evidence.source != "inferred" else []
    said += [evidence.note] if evidence.note else []
    return f"  [{': '.join(said)}]" if said else ""


def _link_lines(catalog: Catalog) -> list[str]:
    return _aligned([_link_cells(link) for link in catalog.links])


def _link_line(link: Link) -> str:
    return _aligned([_link_cells(link)])[0]


def _link_cells(link: Link) -> tuple[str, ...]:
    evidence = link.evidence
    ratio = f"{percent(evidence.ratio)} found" if evidence.ratio is not None else "no values"
    orphans = f"{evidence.orphans:,} orphans" if evidence.orphans else "no orphans"
    return str(link), ratio, orphans, _because(evidence).strip()


def percent(ratio: float) -> str:
    """A ratio for people, rounded down so that only a complete one reads 100 %."""
    return f"{math.floor(ratio * 10_000) / 100:g} %"


def _column_lines(catalog: Catalog, table: Table) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for column in table.columns:
        counts = [] if column.distinct is None else [f"{column.distinct:,} distinct"]
        if column.nulls:
            share = f" ({percent(column.nulls / table.rows)})" if table.rows else ""
            counts.append(f"{column.nulls:,} NULL{share}")
        stype = column.stype.value if column.stype is not Stype.IGNORED else "ignored"
        roles = column_role(catalog, table, column.name)
        rows.append((column.name, column.type.value, stype, roles, ", ".join(counts)))
    return _aligned(rows)


def column_role(catalog: Catalog, table: Table, name: str) -> str:
    """What a column is to the graph: `key`, `clock`, `-> customers.customer_id`; empty for a plain value."""
    roles = ["key"] if table.key is not None and name in table.key.columns else []
    roles += ["clock"] if table.clock.kind == "own" and table.clock.column == name else []
    for link in catalog.links_from(table.name):
        if name in link.child_columns:
            roles.append(f"-> {link.parent}.{link.parent_columns[link.child_columns.index(name)]}")
    return ", ".join(roles)
