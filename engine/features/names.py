"""The names of the measures of a history, in the order `engine.features.measures` computes them."""

from __future__ import annotations


def clock_names(
    label: str, windows: tuple[str, ...], *, brief: bool, occasions: bool, terse: bool = False
) -> tuple[str, ...]:
    """Names of a clock group, in the order `engine.features.as_of` computes them."""
    if terse:
        return (*(f"COUNT({label}.*, {w}, 0)" for w in ("-INF", windows[1])), f"days since latest {label}")
    if brief:
        return (
            *(f"COUNT({label}.*, {w}, 0)" for w in ("-INF", windows[1], windows[3])),
            f"days since latest {label}",
            f"days since first {label}",
            f"mean gap of {label}",
        )
    counts = [f"COUNT({label}.*, {w}, 0)" for w in ("-INF", *windows)]
    if occasions:
        counts += [f"moments of {label} ({w}, 0)" for w in ("-INF", *windows)]
    return (
        *counts,
        f"days since latest {label}",
        *(f"days since {label} {k} back" for k in (2, 3, 5, 10)),
        f"days since first {label}",
        f"mean gap of {label}",
        f"spread of gaps of {label}",
        f"latest gap of {label} against its mean",
        f"{label} per day",
        f"trend of {label} ({windows[3]} in {windows[1]})",
        f"trend of {label} ({windows[1]} in -INF)",
    )


def number_names(
    text: str, windows: tuple[str, ...], *, brief: bool, gaps: bool = False, terse: bool = False
) -> tuple[str, ...]:
    shares = tuple(f"share of known {text} ({w}, 0)" for w in ("-INF", windows[1])) if gaps else ()
    averages = (f"AVG({text}, -INF, 0)", f"AVG({text}, {windows[1]}, 0)")
    latest = (f"latest {text}", f"mean of last 5 {text}", f"mean of last 10 {text}")
    if terse:
        return (*averages, *latest, *shares)
    if brief:
        return (*averages, f"SUM({text}, {windows[1]}, 0)", *latest, f"MAX({text}, -INF, 0)", *shares)
    return (
        *(f"SUM({text}, {w}, 0)" for w in ("-INF", *windows)),
        *(f"AVG({text}, {w}, 0)" for w in ("-INF", windows[1], windows[3])),
        f"MIN({text}, -INF, 0)",
        f"MAX({text}, -INF, 0)",
        f"MAX({text}, {windows[1]}, 0)",
        f"STDDEV({text}, -INF, 0)",
        f"STDDEV({text}, {windows[1]}, 0)",
        f"latest {text}",
        *(f"mean of last {k} {text}" for k in (3, 5, 10, 20)),
        f"trend of {text}",
        *shares,
    )


def stamp_names(text: str, *, brief: bool) -> tuple[str, ...]:
    latest = (f"days since latest {text}",)
    return latest if brief else (*latest, f"days since newest {text}", f"days since oldest {text}")


def category_names(text: str, windows: tuple[str, ...], top: tuple[str, ...], *, brief: bool) -> tuple[str, ...]:
    shares = tuple(f"share of {text} = {v} (-INF, 0)" for v in top)
    if brief:
        return (f"latest {text}", *shares)
    lately = tuple(f"share of {text} = {v} ({windows[1]}, 0)" for v in top)
    return (f"latest {text}", f"most frequent {text}", *shares, *lately)


def distinct_names(text: str, windows: tuple[str, ...], *, brief: bool) -> tuple[str, ...]:
    if brief:
        return (f"COUNT_DISTINCT({text}, -INF, 0)",)
    return (
        f"COUNT_DISTINCT({text}, -INF, 0)",
        f"first-time {text} ({windows[1]}, 0)",
        f"first-time {text} ({windows[3]}, 0)",
        f"COUNT_DISTINCT({text}, -INF, 0) per row",
    )
