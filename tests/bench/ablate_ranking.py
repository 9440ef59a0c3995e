"""What each part of a ranking's network is worth: the pair network without kinds of its inputs, beside all others.

One training of the model `blend` measures every member and baseline; the network's variants are fitted on the same
pairs at its side and score the same candidates of the test rows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

PAST_OF_PAIRS = "the pair's own past"
WORDS_OF_TIME = re.compile(r"recency|since|gap|decayed|half-life|fading|trend|age$|in last|\d+h\b|ago")

VARIANTS = {
    "… without the pair's own past (seen before, how often, when)": "own",
    "… without paths over others (bought together, neighbours' taste, where candidates come from)": "paths",
    "… without times and recent windows": "time",
}


def names_without(names: tuple[str, ...], part: str) -> tuple[str, ...]:
    """The pair features that are left without those of `part`; the pair's own past stands first, then the item's."""
    own = next(i for i, name in enumerate(names) if name.startswith("item: "))
    dropped = {
        "own": set(names[:own]),
        "paths": {name for name in names if name.startswith(("together", "latent", "source: "))},
        "time": {name for name in names if WORDS_OF_TIME.search(name)},
    }[part]
    return tuple(name for name in names if name not in dropped)


def ranked(session: Any, query: str, seeds: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """(model, its MAP on the test rows by seed, CPU seconds by seed); the blend's weights stand in its name."""
    found: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    shares: list[dict[str, float]] = []
    for seed in range(seeds):
        values, seconds, weights = _one(
            session(), f"{query} WITH (model = blend, seed = {seed}, refit = off, cache = off)"
        )
        for name, value in values.items():
            found.setdefault(name, []).append(value)
        for name, value in seconds.items():
            spent.setdefault(name, []).append(value)
        shares.append(weights)
    mean = {name: sum(w.get(name, 0.0) for w in shares) / seeds for name in shares[0]}
    told = ", ".join(f"{name} {share:.2f}" for name, share in mean.items() if share)
    for name, values in found.items():
        yield f"{name} ({told})" if name == "blend" else name, values, spent.get(name, [])


def _one(db: Any, query: str) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """MAP on the test rows and CPU seconds of fitting by model, and the weights of the blend."""
    from pql.engine.ranking import fitting as rank
    from pql.engine.ranking.choice import GNN
    from pql.engine.ranking.scoring import blended

    seconds: dict[str, float] = {}
    variants: dict[str, Any] = {}
    caught: list[Any] = []
    kept = {name: getattr(rank, name) for name in ("fit_pair_network", "fit_ranker", "judge", "ranking_table")}

    def timed(name: str, fit: Any) -> Any:
        start = time.process_time()
        fitted = fit()
        seconds[name] = time.process_time() - start
        return fitted

    def networks(rows: Any, names: tuple[str, ...], check: Any, **options: Any) -> Any:
        for title, part in VARIANTS.items():
            left = names_without(names, part)
            at = [names.index(name) for name in left]
            variants[title] = timed(
                title,
                lambda at=at, left=left: kept["fit_pair_network"](
                    rows.columns(at), left, None if check is None else check.columns(at), **options
                ),
            )
        return timed(GNN, lambda: kept["fit_pair_network"](rows, names, check, **options))

    def ranker(rows: Any, names: tuple[str, ...], *args: Any, **options: Any) -> Any:
        return timed("boosted", lambda: kept["fit_ranker"](rows, names, *args, **options))

    def judge(blocks: Any, scorers: Any, model: Any, rows: Any) -> Any:
        return kept["judge"](blocks, {**scorers, **variants}, model, rows)

    def table(judged: Any, weights: Any, k: int) -> Any:
        caught.append((judged, weights, k))
        plain = {
            n: replace(j, scores={m: s for m, s in j.scores.items() if m not in variants}) for n, j in judged.items()
        }
        return kept["ranking_table"](plain, weights, k)

    changed = {"fit_pair_network": networks, "fit_ranker": ranker, "judge": judge, "ranking_table": table}
    for name, function in changed.items():
        setattr(rank, name, function)
    try:
        db.evaluate(query)
    finally:
        for name, function in kept.items():
            setattr(rank, name, function)
    judged, weights, k = caught[0]
    test = judged["test"]
    order = [*(m for m in weights if m in test.scores and m != GNN), GNN, *variants]
    order += [m for m in test.scores if m not in order]
    values = {name: test.quality(test.scores[name], k) for name in order if name in test.scores}
    used = {m: w for m, w in weights.items() if w > 0}
    values["blend"] = test.quality(blended(test.owner, test.scores, used), k)
    return values, seconds, used
