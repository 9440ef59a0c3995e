"""The ids a query asks for, as keys of the entity's own type."""

from __future__ import annotations

import pyarrow as pa

from pql.engine.planning.plan import Plan
from pql.language.errors import PqlError


def asked_keys(plan: Plan, like: pa.Table) -> pa.Table:
    """The ids after FOR, one row each in their order, with the names and types of the key columns `like`.

    Raises PqlError `unknown_entity` for an id that the type can't hold.
    """
    ids = plan.query.ids or ()
    tuples = [one if isinstance(one, tuple) else (one,) for one in ids]
    columns = [
        _typed([one[i] for one in tuples], like.column(name).type, plan) for i, name in enumerate(like.column_names)
    ]
    return pa.table(columns, names=like.column_names)


def _typed(values: list[object], kind: pa.DataType, plan: Plan) -> pa.Array:
    try:
        if pa.types.is_integer(kind) and any(isinstance(value, float) and not value.is_integer() for value in values):
            raise pa.ArrowInvalid("a whole number is wanted")
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        try:
            return pa.array([str(value) for value in values]).cast(kind)
        except pa.ArrowInvalid as error:
            raise PqlError(
                "unknown_entity",
                f"The ids asked for are not of the key's type, {kind}.",
                span=plan.query.syntax.ids.span if plan.query.syntax.ids is not None else None,
                hint="Write them as the key has them: numbers without quotes, texts within.",
            ) from error
