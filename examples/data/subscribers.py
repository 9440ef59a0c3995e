"""Subscribers of an app of one's own making, who come back until they don't.

    subscribers(subscriber_id, plan, country, joined_at)
    sessions(session_id, subscriber_id, started_at, minutes)
    tickets(ticket_id, subscriber_id, opened_at, topic)

What was planted: each subscriber comes at a rate of its own (gamma) and leaves for good after a time of its own
(exponential; free plans sooner). In the 40 days before it leaves it comes a third less often, stays a little shorter, and two in
five open a ticket. `lost` breaks the tracker: that share of sessions is missing from `lost_from` on, which is no churn.

Everything is drawn from one seed: the same call gives the same rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

START = np.datetime64("2024-01-01", "us")
DAY = 86_400_000_000  # microseconds
LIFE = {"free": 240.0, "basic": 420.0, "pro": 700.0}
FADING = 40  # days


def tables(
    subscribers: int = 2000, days: int = 300, seed: int = 0, lost: float = 0.0, lost_from: int = 10**6
) -> dict[str, pa.Table]:
    """The three tables as Arrow, over `days` days from 2024-01-01."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(list(LIFE), subscribers, p=[0.5, 0.3, 0.2])
    joined = rng.uniform(-120, days * 0.8, subscribers).clip(0)
    left = joined + rng.exponential(np.array([LIFE[p] for p in plan]))
    rate = rng.gamma(2.0, 0.12, subscribers) + 0.02  # sessions per day
    until = np.minimum(left, days)
    who = np.repeat(np.arange(subscribers), rng.poisson(rate * (until - joined)))
    when = joined[who] + rng.random(len(who)) * (until - joined)[who]
    fading = left[who] - when < FADING
    kept = ~(fading & (rng.random(len(who)) < 0.33)) & ~((when >= lost_from) & (rng.random(len(who)) < lost))
    minutes = np.where(fading, 10.0, 14.0)[kept] * rng.gamma(2.0, 0.5, int(kept.sum()))
    who, when = who[kept], when[kept]
    order = np.argsort(when, kind="stable")
    leaving = np.nonzero((left < days + FADING) & (rng.random(subscribers) < 0.4))[0]
    asker = np.concatenate([leaving, rng.integers(0, subscribers, subscribers // 5)])
    asked = np.concatenate([left[leaving] - rng.uniform(0, FADING, len(leaving)), rng.uniform(0, days, len(asker))])
    asked = asked[: len(asker)]
    open_ = (asked >= joined[asker]) & (asked < until[asker])
    asker, asked = asker[open_], asked[open_]
    return {
        "subscribers": pa.table(
            {
                "subscriber_id": np.arange(subscribers) + 1,
                "plan": plan,
                "country": rng.choice(["DE", "FR", "IT", "PL"], subscribers),
                "joined_at": _times(joined),
            }
        ),
        "sessions": pa.table(
            {
                "session_id": np.arange(len(who)) + 1,
                "subscriber_id": who[order] + 1,
                "started_at": _times(when[order]),
                "minutes": np.round(minutes[order], 1),
            }
        ),
        "tickets": pa.table(
            {
                "ticket_id": np.arange(len(asker)) + 1,
                "subscriber_id": asker + 1,
                "opened_at": _times(asked),
                "topic": rng.choice(["billing", "bug", "cancel", "how to"], len(asker)),
            }
        ),
    }


def _times(days: np.ndarray) -> pa.Array:
    return pa.array(START + (days * DAY).astype("int64").astype("timedelta64[us]"), pa.timestamp("us"))
