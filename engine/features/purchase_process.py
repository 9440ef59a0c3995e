"""BG/NBD and Gamma-Gamma: how often an entity will buy, whether it still does, and for how much.

BG/NBD (Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 2005): while active, an entity
buys at its own Poisson rate, rates being Gamma(r, alpha) among entities; after each purchase it drops out with its own
probability, those being Beta(a, b). What is known of an entity is x (purchases after the first), t_x (when the last one
was) and T (now), both measured from the first purchase. Gamma-Gamma (Fader and Hardie 2013): the value of a purchase.

All likelihoods are in logarithms with exact gradients, all predictions vectorised over entities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NODES = 16  # of the quadrature over the chance to drop out
MANY = 400  # purchases from which on one rule of quadrature serves all
RIDGE = 1e-3  # per entity, on the logarithms of the parameters: keeps them finite where the data says nothing
BOUND = 12.0  # of those logarithms
ROUNDS = 300


@dataclass(frozen=True, slots=True)
class Purchases:
    """BG/NBD's parameters, in the unit of time of x, t_x and T that they were fitted on."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, x: Floats, tx: Floats, age: Floats) -> Floats:
        """float64[n]: P(still active)."""
        ratio = np.log(self.a) - np.log(np.maximum(self.b + x - 1, 1e-12))
        ratio = ratio + (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + tx))
        with np.errstate(over="ignore"):
            return np.where(x > 0, 1.0 / (1.0 + np.exp(np.minimum(ratio, 700.0))), 1.0)

    def expected(self, x: Floats, tx: Floats, age: Floats, start: float, end: float) -> Floats:
        """float64[n]: the expected number of purchases in (now + start, now + end]."""

        def value(p: Floats) -> Floats:
            later, sooner = (-np.expm1(-(self.r + x) * np.log1p(p * t / (self.alpha + age))) for t in (end, start))
            return (later - sooner) / p

        return self.alive(x, tx, age) * self._over_dropout(x, value)

    def any_in(self, x: Floats, tx: Floats, age: Floats, start: float, end: float) -> Floats:
        """float64[n]: P(at least one purchase in (now + start, now + end])."""
        shape, rate = self.r + x, self.alpha + age
        if start <= 0:
            return self.alive(x, tx, age) * -np.expm1(-shape * np.log1p(end / rate))

        def value(p: Floats) -> Floats:
            still = np.log1p(p * start / rate)
            return np.exp(-shape * still) - np.exp(-shape * np.log1p((p * start + end - start) / rate))

        return self.alive(x, tx, age) * self._over_dropout(x, value)

    def _over_dropout(self, x: Floats, value) -> Floats:  # type: ignore[no-untyped-def]
        """The mean of value(p) over the chance p to drop out, Beta(a, b + x) among the active."""
        distinct, place = np.unique(np.minimum(x, MANY), return_inverse=True)
        rules = [_beta_rule(self.a, self.b + float(one)) for one in distinct]
        total = np.zeros(len(x))
        scale = np.where(x > MANY, (self.a + self.b + MANY) / (self.a + self.b + x), 1.0)
        for j in range(NODES):
            node = np.array([rule[0][j] for rule in rules])[place] * scale
            total += np.array([rule[1][j] for rule in rules])[place] * value(np.maximum(node, 1e-12))
        return total


@dataclass(frozen=True, slots=True)
class Spending:
    """Gamma-Gamma's parameters: the mean value of a purchase of an entity with n of them that were m on average."""

    p: float
    q: float
    gamma: float

    def expected(self, n: Floats, m: Floats) -> Floats:
        return self.p * (self.gamma + n * m) / (self.p * n + self.q - 1.0)


def fit_purchases(x: Floats, tx: Floats, age: Floats) -> Purchases:
    """The likeliest parameters of n entities (float64[n] each; x whole, 0 <= tx <= age)."""
    scale = max(float(np.mean(age)), 1e-9) if len(age) else 1.0
    tx, age = tx / scale, age / scale
    theta = _maximum(lambda theta: purchases_likelihood(theta, x, tx, age), np.array([0.0, 0.0, 0.0, 0.5]), len(x))
    r, alpha, a, b = np.exp(theta).tolist()
    return Purchases(r, alpha * scale, a, b)


def purchases_likelihood(theta: Floats, x: Floats, tx: Floats, age: Floats) -> tuple[float, Floats]:
    """The log likelihood and its gradient by theta, the logarithms of r, alpha, a and b."""
    from scipy.special import digamma, gammaln

    r, alpha, a, b = np.exp(theta)
    again = x > 0
    fixed = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    fixed = fixed + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    active = -(r + x) * np.log(alpha + age)
    left = np.log(a) - np.log(np.where(again, b + x - 1, 1.0)) - (r + x) * np.log(alpha + tx)
    left = np.where(again, left, -np.inf)
    both = np.logaddexp(active, left)
    w_active, w_left = np.exp(active - both), np.exp(left - both)
    total = digamma(a + b) - digamma(a + b + x)
    by_r = digamma(r + x) - digamma(r) + np.log(alpha) - w_active * np.log(alpha + age) - w_left * np.log(alpha + tx)
    by_alpha = r / alpha - (r + x) * (w_active / (alpha + age) + w_left / (alpha + tx))
    by_a = total + w_left / a
    by_b = total + digamma(b + x) - digamma(b) - w_left / np.where(again, b + x - 1, 1.0)
    gradient = np.array([by_r.sum() * r, by_alpha.sum() * alpha, by_a.sum() * a, by_b.sum() * b])
    return float((fixed + both).sum()), gradient


def fit_spending(n: Floats, m: Floats) -> Spending:
    """The likeliest parameters of entities with n purchases of mean value m > 0 (float64 each)."""
    scale = max(float(np.average(m, weights=n)), 1e-12)
    theta = _maximum(lambda theta: spending_likelihood(theta, n, m / scale), np.array([1.0, 0.5, 0.5]), len(n))
    return Spending(float(np.exp(theta[0])), 1.0 + float(np.exp(theta[1])), float(np.exp(theta[2])) * scale)


def spending_likelihood(theta: Floats, n: Floats, m: Floats) -> tuple[float, Floats]:
    """The log likelihood and its gradient by theta, the logarithms of p, q - 1 and gamma."""
    from scipy.special import digamma, gammaln

    p, less, gamma = np.exp(theta)
    q = 1.0 + less
    logs = np.log(gamma + n * m)
    value = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(gamma)
    value = value + (p * n - 1) * np.log(m) + p * n * np.log(n) - (p * n + q) * logs
    by_p = n * (digamma(p * n + q) - digamma(p * n) + np.log(m) + np.log(n) - logs)
    by_q = digamma(p * n + q) - digamma(q) + np.log(gamma) - logs
    by_gamma = q / gamma - (p * n + q) / (gamma + n * m)
    return float(value.sum()), np.array([by_p.sum() * p, by_q.sum() * less, by_gamma.sum() * gamma])


def _maximum(likelihood, start: Floats, n: int) -> Floats:  # type: ignore[no-untyped-def]
    """Where a log likelihood (with its gradient) less a light ridge is greatest."""
    from scipy.optimize import minimize

    if n == 0:
        return start

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = likelihood(theta)
        away = theta - start
        return -value / n + RIDGE / 2 * float(away @ away) / np.sqrt(n), -gradient / n + RIDGE * away / np.sqrt(n)

    bounds = [(-BOUND, BOUND)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ROUNDS})
    return np.asarray(found.x, dtype=np.float64)


def _beta_rule(a: float, b: float) -> tuple[Floats, Floats]:
    """Nodes in (0, 1) and weights (sum 1) of the mean over Beta(a, b): Gauss and Jacobi's, by Golub and Welsch.

    The recurrence of the Jacobi polynomials with weight p^(a-1) (1-p)^(b-1), shifted to (0, 1).
    """
    from scipy.linalg import eigh_tridiagonal

    alpha, beta = b - 1.0, a - 1.0
    k = np.arange(NODES, dtype=np.float64)
    s = 2 * k + alpha + beta
    diagonal = np.empty(NODES)
    diagonal[0] = (beta - alpha) / (alpha + beta + 2)
    diagonal[1:] = (beta**2 - alpha**2) / (s[1:] * (s[1:] + 2))
    k, s = k[1:], s[1:]
    squares = 4 * k * (k + alpha) * (k + beta) * (k + alpha + beta)
    squares[0] = 4 * (1 + alpha) * (1 + beta)
    below = s**2 * (s + 1) * (s - 1)
    below[0] = (2 + alpha + beta) ** 2 * (3 + alpha + beta)
    values, vectors = eigh_tridiagonal(diagonal, np.sqrt(squares / below))
    return np.clip((values + 1) / 2, 0.0, 1.0), vectors[0] ** 2
