"""What is asked for beside a predicted number: quantiles or an interval, and what their columns are called."""

from __future__ import annotations

from dataclasses import dataclass

from pql.language.bound import BoundQuery, TaskKind


@dataclass(frozen=True, slots=True)
class Bounds:
    """What RETURN asks beside a predicted number: `quantiles`, ascending, or an interval of `probability`."""

    quantiles: tuple[float, ...] = ()
    probability: float | None = None

    def __bool__(self) -> bool:
        return bool(self.quantiles) or self.probability is not None

    @property
    def names(self) -> tuple[str, ...]:
        """`lower, upper` or `q10, q50, …`: the result's columns."""
        if self.probability is not None:
            return ("lower", "upper")
        return tuple("q" + f"{level * 100:.10g}".replace(".", "_") for level in self.quantiles)


MOST_ROWS, FEWEST_ROWS, ROWS_PER_SECOND = 20_000, 2_000, 200


def rows_for(budget_seconds: float) -> int:
    """How many examples the budget pays for, to fit the distributions on that bounds are read from."""
    return int(min(MOST_ROWS, max(FEWEST_ROWS, budget_seconds * ROWS_PER_SECOND)))


def bounds_of(query: BoundQuery) -> Bounds:
    """What the query asks for; falsy if nothing."""
    return Bounds(query.quantiles, query.interval)


def probability_alone(query: BoundQuery) -> bool:
    """Whether RETURN PROBABILITY leaves the yes or no of a condition out."""
    returning = query.syntax.returning
    return query.task is TaskKind.BINARY and returning is not None and returning.form == "probability"
