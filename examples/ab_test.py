"""An A/B test of predictions: does an offer keep those who are likeliest to leave?

A good score doesn't show that acting on it does any good. So: predict, take the tenth likeliest to leave, let a hash of the key choose
half of them for the offer, wait for the window to pass, and measure the difference, with its interval.

The data is made (`data/subscribers.py`), and so is the outcome: who would leave without an offer is known from the rows after the
prediction's moment (which the model never reads), and the offer keeps 35 % of those who would have left. So the true effect is known, and
whether the interval holds it can be said: that is the one line you won't have.

    $ python examples/ab_test.py

It prints:

    on test                                 auroc  average_precision
    instant         model                   0.864              0.346
    rate            baseline                0.500              0.052
    last_window     baseline                0.494              0.051
    entity_mean     baseline                0.553              0.081
    instant beats the best baseline, entity_mean, on test: auroc 0.864 against 0.5526.

    control: 175 of 587 left; offer: 122 of 583 left
    groups as even as a coin makes them: yes
    difference: -0.089, 95 % from -0.138 to -0.039
    less what the score explains: -0.092, 95 % from -0.139 to -0.044
    The offer keeps people.
    It takes 1664 in each group to see an effect of 5 points nine times in ten.
    (planted: -0.105, inside the interval)

Your own tables: keep SPLIT's result (who is in which group) before you send anything, and change SALT with each campaign, or the same people
are the control group for ever. Analyse everyone in the group they were given, whether the offer reached them or not. Decide on the window
beforehand and look once. One interval in twenty misses the truth (the tests count them); with half as many subscribers this one did. Where the interval is wider than an effect you would care about, treat more than a tenth: `per_group` says how many
it takes.
"""

import math

import numpy as np
from data import subscribers
from data.quality import beside
from numpy.typing import NDArray
from scipy import stats

import pql

ANCHOR = "2024-11-26"  # 330 days of history; the data goes on for 30 more
KEPT = 0.35  # of those who would leave, the share whom the offer keeps: planted
SALT = "autumn-offer"

SPLIT = f"""
WITH scored AS (
    PREDICT COUNT(sessions.*, 0, 30, days) = 0 FOR EACH subscribers.subscriber_id
    WHERE COUNT(sessions.*, -14, 0, days) > 0 AS OF {ANCHOR} WITH (model = instant)
), tenth AS (
    FROM scored QUALIFY ntile(10) OVER (ORDER BY probability DESC, subscriber_id) = 1
)
SELECT subscriber_id, probability, substr(md5('{SALT}:' || subscriber_id), 1, 1) < '8' AS offer
FROM tenth ORDER BY subscriber_id
"""

LEFT = f"""
SELECT subscriber_id FROM sessions
WHERE started_at > TIMESTAMP '{ANCHOR}' AND started_at <= TIMESTAMP '{ANCHOR}' + INTERVAL 30 DAY
"""

Bools = NDArray[np.bool_]


def newcombe(hits: tuple[int, int], sizes: tuple[int, int], sure: float = 0.95) -> tuple[float, float, float]:
    """The difference of two shares (second less first) with Newcombe's interval, which also holds for small groups."""
    (p1, l1, u1), (p2, l2, u2) = (_wilson(h, n, sure) for h, n in zip(hits, sizes, strict=True))
    d = p2 - p1
    return d, d - math.hypot(p2 - l2, u1 - p1), d + math.hypot(u2 - p2, p1 - l1)


def _wilson(hits: int, n: int, sure: float) -> tuple[float, float, float]:
    z, p = float(stats.norm.ppf((1 + sure) / 2)), hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return p, (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def adjusted(left: Bools, offer: Bools, score: NDArray[np.float64]) -> tuple[float, float, float]:
    """The same difference, less what the score explains (Lin 2013): a narrower interval where the score is good."""
    centred = score - score.mean()
    x = np.column_stack([np.ones(len(left)), offer, centred, offer * centred]).astype(float)
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ left
    rest = (left - x @ beta) / (1 - np.einsum("ij,jk,ik->i", x, inverse, x))  # HC3
    half = 1.96 * math.sqrt((inverse @ (x.T * rest**2) @ x @ inverse)[1, 1])
    return float(beta[1]), float(beta[1]) - half, float(beta[1]) + half


def per_group(rate: float, effect: float) -> int:
    """How many it takes in each group to see `effect` nine times in ten, at 95 %."""
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.9)
    return math.ceil(z**2 * (rate * (1 - rate) + (rate - effect) * (1 - rate + effect)) / effect**2)


def outcome(would_leave: Bools, offer: Bools, seed: int = 0) -> Bools:
    """What is seen in the end: the offer keeps KEPT of those who would leave. (In your world: reality.)"""
    kept = np.random.default_rng(seed).random(len(offer)) < KEPT
    return would_leave & ~(offer & kept)


def main() -> None:
    with pql.connect(subscribers.tables(subscribers=24000, days=360)) as db:
        split = db.sql(SPLIT)
        print(beside(split.predictions[0].metrics, "average_precision"))
        table = split.to_arrow_table()
        stayed = db.sql(LEFT).to_arrow_table()["subscriber_id"].to_numpy()
    ids, offer, score = (
        table[name].to_numpy(zero_copy_only=False) for name in ("subscriber_id", "offer", "probability")
    )
    would_leave = ~np.isin(ids, stayed)
    left = outcome(would_leave, offer)

    sizes = (int((~offer).sum()), int(offer.sum()))
    hits = (int(left[~offer].sum()), int(left[offer].sum()))
    print()
    print(f"control: {hits[0]} of {sizes[0]} left; offer: {hits[1]} of {sizes[1]} left")
    fair = stats.binomtest(sizes[1], sum(sizes)).pvalue
    print(f"groups as even as a coin makes them: {'yes' if fair > 0.001 else 'NO, mend the split first'}")
    for name, (effect, low, high) in (
        ("difference", newcombe(hits, sizes)),
        ("less what the score explains", adjusted(left, offer, score)),
    ):
        print(f"{name}: {effect:+.3f}, 95 % from {low:+.3f} to {high:+.3f}")
    effect, low, high = newcombe(hits, sizes)
    print("The offer keeps people." if high < 0 else "Not shown: the interval has room for no effect at all.")
    print(
        f"It takes {per_group(hits[0] / sizes[0], 0.05)} in each group to see an effect of 5 points nine times in ten."
    )
    truth = -KEPT * would_leave.mean()
    print(f"(planted: {truth:+.3f}, {'inside' if low <= truth <= high else 'outside'} the interval)")


if __name__ == "__main__":
    main()
