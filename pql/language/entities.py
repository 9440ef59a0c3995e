"""Who is asked about: the entity, the second one of a pair, and the ids asked for."""

from __future__ import annotations

from pql.language import ast
from pql.language.bound import BoundEntity, Scalar
from pql.language.catalog import Table
from pql.language.names import Found, listed, look_up, nearest
from pql.language.scope import Edit, Scope, canonical, find_table, foreign_key, quoted
from pql.language.types_of import as_text, constant, converted, in_words

Ids = tuple[Scalar | tuple[Scalar, ...], ...]


def bind_entity(scope: Scope, name: ast.EntityName) -> Table | None:
    """The table whose rows are meant by `t.key`, `t`, or a foreign key to a virtual table."""
    if name.table is None:
        return _by_key_alone(scope, name)
    near = nearest(name.table.text, [table.name for table in scope.catalog.tables if table.key is not None])
    edits: tuple[Edit, ...] = ()
    if near and name.column is not None:
        edits = scope.replaced(name.span, _written(scope.catalog.table(near[0])))
    if name.column is None and _is_key_name(scope, name, name.table.text):
        return None
    table = find_table(scope, name.table, edits=edits or None)
    if table is None:
        return None
    if name.column is None:
        if table.key is None:
            _refuse_keyless(scope, table, name.span)
            return None
        return table
    return _with_column(scope, table, name, name.column)


def _is_key_name(scope: Scope, name: ast.EntityName, word: str) -> bool:
    """Whether a bare word names no table but the key of one; then a fault that says which."""
    if look_up(word, [table.name for table in scope.catalog.tables], plurals=True) != Found(None):
        return False
    keyed = [t for t in scope.catalog.tables if t.key is not None and look_up(word, t.key.columns).name is not None]
    tables = list(dict.fromkeys(canonical(scope, table).name for table in keyed))
    if len(tables) != 1:
        return False
    better = _written(scope.catalog.table(tables[0]))
    message = f"the name {word} is the key of {tables[0]}, and no table"
    scope.fault("unknown_table", message, name.span, hint=f"write {better}", edits=scope.replaced(name.span, better))
    return True


def bound_entity(table: Table) -> BoundEntity:
    assert table.key is not None
    return BoundEntity(table.name, table.key.columns)


def _written(table: Table) -> str:
    if table.key is None or len(table.key.columns) != 1:
        return quoted(table.name)
    return f"{quoted(table.name)}.{quoted(table.key.columns[0])}"


def _refuse_keyless(scope: Scope, table: Table, span: ast.Span) -> None:
    parents = [scope.catalog.table(link.parent) for link in scope.catalog.links_from(table.name)]
    keyed = [_written(parent) for parent in parents if parent.key is not None]
    hint = f"its rows point to {' and '.join(keyed)}" if keyed else "declare one: KEY table.column"
    edits = scope.replaced(span, keyed[0]) if keyed else ()
    scope.fault("entity_not_key", f"the table {table.name} has no key to ask for", span, hint=hint, edits=edits)


def _by_key_alone(scope: Scope, name: ast.EntityName) -> Table | None:
    if name.column is None:
        return None
    keyed = [t for t in scope.catalog.tables if t.key is not None and look_up(name.column.text, t.key.columns).name]
    if len(keyed) == 1:
        return keyed[0]
    hint = f"write table.{name.column.text}" + (f": {listed([_written(t) for t in keyed])}" if keyed else "")
    scope.fault("entity_not_key", f"the column {name.column.text} is not the key of one table", name.span, hint=hint)
    return None


def _with_column(scope: Scope, table: Table, name: ast.EntityName, column: ast.Identifier) -> Table | None:
    names = [c.name for c in table.columns]
    found = look_up(column.text, names).name
    keys = table.key.columns if table.key is not None else ()
    if found is not None and keys == (found,):
        return table
    if found is None:
        near = nearest(column.text, names)
        better = _written(table) if table.key is not None else ""
        hint = f"did you mean {near[0]}?" if near else f"its columns are: {listed(names)}"
        edits = scope.replaced(name.span, better) if better else ()
        message = f"the table {table.name} has no column {column.text}"
        scope.fault("unknown_column", message, column.span, hint=hint, edits=edits, near=near)
        return table if table.key is not None else None  # go on, so that other faults are found
    link = foreign_key(scope, table.name, found)
    if link is not None and scope.catalog.table(link.parent).virtual is not None:
        return scope.catalog.table(link.parent)
    message = f"{table.name}.{found} is not a key: it does not name one row of {table.name}"
    better = ""
    if link is not None and scope.catalog.table(link.parent).key is not None:
        better = _written(scope.catalog.table(link.parent))
    elif table.key is not None:
        better = _written(table)
    if better:
        scope.fault(
            "entity_not_key", message, name.span, hint=f"write {better}", edits=scope.replaced(name.span, better)
        )
    else:
        _refuse_keyless(scope, table, name.span)
    return table if table.key is not None and link is None else None


def bind_ids(scope: Scope, table: Table) -> Ids | None:
    """The ids of `FOR t.id = 7` or `IN (…)`, of the key's type, each once; None if none are asked for."""
    asked = scope.query.ids
    if asked is None:
        return None
    if len(scope.query.entities) > 1:
        scope.fault("clause_conflict", "ids can't be asked for beside a second entity", asked.span, hint="use WHERE")
        return None
    if asked.op not in ("=", "==", "IN"):
        _refuse_operator(scope, asked)
        return None
    items: tuple[ast.Expression, ...]
    keys = table.key.columns if table.key is not None else ()
    if isinstance(asked.items, ast.Parameter):
        return None
    if isinstance(asked.items, ast.ListOf):
        one_composite = asked.op != "IN" and len(keys) > 1
        if asked.op != "IN" and not one_composite:
            edits = (
                () if asked.span == ast.NOWHERE else scope.replaced(asked.span, f"IN {scope.source(asked.items.span)}")
            )
            scope.fault(
                "type_mismatch", "= asks for one id, this is a list", asked.items.span, hint="use IN", edits=edits
            )
            return None
        items = (asked.items,) if one_composite else asked.items.items
    elif asked.op == "IN":
        edits = scope.replaced(asked.items.span, f"({scope.source(asked.items.span)})")
        scope.fault("type_mismatch", "IN needs a list", asked.items.span, hint="put it in brackets", edits=edits)
        return None
    else:
        items = (asked.items,)
    ids = [_id(scope, table, keys, item) for item in items]
    return None if any(found is None for found in ids) else tuple(dict.fromkeys(i for i in ids if i is not None))


def _refuse_operator(scope: Scope, asked: ast.EntityIds) -> None:
    name = scope.query.entities[0].span
    edits: tuple[Edit, ...] = ()
    if asked.span != ast.NOWHERE and name != ast.NOWHERE:
        condition = f"{scope.source(name)} {asked.op} {scope.source(asked.items.span)}"
        if scope.query.where is None:
            edits = scope.replaced(name.to(asked.span), f"{scope.source(name)} WHERE {condition}")
        else:
            there = scope.query.where.span
            edits = (
                *scope.replaced(name.to(asked.span), scope.source(name)),
                *scope.replaced(there, f"({scope.source(there)}) AND {condition}"),
            )
    message = f"FOR names ids with = or IN, not with {asked.op}"
    scope.fault("entity_id_operator", message, asked.span, hint="a condition stands in WHERE", edits=edits)


def _id(scope: Scope, table: Table, keys: tuple[str, ...], node: ast.Expression) -> Scalar | tuple[Scalar, ...] | None:
    if len(keys) != 1:
        if not isinstance(node, ast.ListOf) or len(node.items) != len(keys):
            message = f"an id of {table.name} has {len(keys)} parts: {', '.join(keys)}"
            scope.fault("type_mismatch", message, node.span, hint=f"write ({', '.join(keys)})")
            return None
        parts = [_part(scope, table, key, item) for key, item in zip(keys, node.items, strict=True)]
        return None if any(part is None for part in parts) else tuple(parts)
    return _part(scope, table, keys[0], node)


def _part(scope: Scope, table: Table, key: str, node: ast.Expression) -> Scalar:
    if isinstance(node, ast.Negate) and isinstance(node.operand, ast.Literal):
        number = node.operand.value
        if isinstance(number, int | float) and not isinstance(number, bool):
            node = ast.Literal(-number, node.span)
    if isinstance(node, ast.ColumnName) and node.table is None:
        text = "'" + node.column.text.replace("'", "''") + "'"
        message = f"the word {node.column.text} is no id: a text stands in quotes"
        scope.fault("type_mismatch", message, node.span, hint=f"write {text}", edits=scope.replaced(node.span, text))
        return None
    if not isinstance(node, ast.Literal):
        scope.fault("type_mismatch", "an id must be a constant", node.span, hint="use WHERE for a condition")
        return None
    value = constant(node).value
    if value is None or isinstance(value, tuple):
        scope.fault("null_comparison", "an id can't be NULL", node.span, hint="name an id")
        return None
    kind = table.column(key).type
    fits, fitted = converted(value, kind)
    if fits and kind.is_number and isinstance(fitted, float) and fitted.is_integer():
        return int(fitted)
    if fits:
        return fitted
    better = as_text(value, scope.source(node.span), kind) if node.span != ast.NOWHERE else None
    edits = scope.replaced(node.span, better) if better is not None else ()
    message = f"{table.name}.{key} is {in_words(kind)}, this is {in_words(constant(node).type)}"
    hint = f"write {better}" if better else f"ids are compared with the values of {table.name}.{key}"
    scope.fault("type_mismatch", message, node.span, hint=hint, edits=edits)
    return None
