"""Lift: is a value over-represented among failures, how much, and how sure is it after thousands were looked at?

Pure arithmetic on counts, vectorised. A value's p is the exact one-sided hypergeometric tail (Fisher's test). Values so
rare that even "all of them failed" could not be significant are not tested (Tarone 1990), which the counts' margins
decide alone; over the rest the false discovery rate is held by Benjamini and Hochberg's step-up (1995), in the discrete
form of Gilbert (2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]
UNTOLD = 0.25  # a rate whose interval is wider says nothing


def log_tail(failed: Ints, sent: Ints, all_failed: int, all_sent: int) -> Floats:
    """Return the natural log of P(at least this many failures) for each value, given the margins.

    Summed upwards from the observed count, where terms fall fast; a value that fails no more than
    the rest is not over-represented and gets log 1.
    """
    k, n = failed.astype(float), sent.astype(float)
    total, good = float(all_sent), float(all_failed)
    logs = np.zeros(len(k))
    over = k * total > n * good
    if not over.any() or not 0 < good < total:
        return logs
    k, n = k[over], n[over]
    start = _log_pmf(k, n, good, total)
    series, term, step = np.ones(len(k)), np.ones(len(k)), 0.0
    active = np.arange(len(k))
    while active.size:
        j = k[active] + step
        top = (good - j) * (n[active] - j)
        term[active] *= np.maximum(top, 0) / ((j + 1) * (total - good - n[active] + j + 1))
        series[active] += term[active]
        active = active[term[active] > 1e-12 * series[active]]
        step += 1
    logs[over] = np.minimum(0.0, start + np.log(series))
    return logs


def _log_pmf(k: Floats, n: Floats, good: float, total: float) -> Floats:
    def choose(a: Floats | float, b: Floats | float) -> Floats:
        return np.asarray(
            special.gammaln(np.add(a, 1)) - special.gammaln(np.add(b, 1)) - special.gammaln(np.subtract(a, b) + 1)
        )

    return np.asarray(choose(good, k) + choose(total - good, n - k) - choose(total, n))


def within_reach(sizes: Ints, many: Ints, all_failed: int, all_sent: int, rate: float) -> tuple[int, float]:
    """Return how many values could be significant at all, and the log p that a value must be able to reach.

    That is Tarone's m: no more than m values can reach a p of rate/m.

    Args:
        sizes: the sizes that values have.
        many: how many values have each size.
        all_failed: failures over all.
        all_sent: rows over all.
        rate: the false discovery rate.
    """
    if not sizes.size or not 0 < all_failed < all_sent:
        return 0, -np.inf
    least = log_tail(np.minimum(sizes, all_failed), sizes, all_failed, all_sent)
    order = np.argsort(least)
    reach = np.cumsum(many[order])
    least = least[order]
    m = 1
    while True:
        limit = float(np.log(rate / m))
        under = int(np.searchsorted(least, limit, side="right"))
        count = int(reach[under - 1]) if under else 0
        if count <= m:
            return count, limit
        m = count if count < 2 * m else 2 * m  # the least p only shrinks the set as m grows


def adjust(logs: Floats, tests: int) -> Floats:
    """Return Benjamini and Hochberg's adjusted p of each log p, for `tests` tests of which the rest have p = 1."""
    if not logs.size:
        return logs
    order = np.argsort(logs)
    ranks = np.arange(1, len(logs) + 1)
    raw = np.exp(logs[order]) * max(tests, 1) / ranks
    adjusted = np.minimum(1.0, np.minimum.accumulate(raw[::-1])[::-1])
    out = np.empty(len(logs))
    out[order] = adjusted
    return out


@dataclass(frozen=True, slots=True)
class Contrast:
    """One value (or pair) against all other rows."""

    sent: int
    failed: int
    others_sent: int
    others_failed: int

    @property
    def rate(self) -> float:
        """Failed of sent, with it."""
        return self.failed / self.sent if self.sent else 0.0

    @property
    def others_rate(self) -> float:
        """Failed of sent, without it."""
        return self.others_failed / self.others_sent if self.others_sent else 0.0

    @property
    def explained(self) -> float:
        """Share of all failures that would not have been, at the others' rate."""
        every = self.failed + self.others_failed
        return max(0.0, (self.failed - self.sent * self.others_rate) / every) if every else 0.0

    def lift(self) -> tuple[float | None, float, float | None]:
        """Return how many times the others' rate, with its 95 % interval (Katz, halves added); None: no upper end."""
        a, b = self.failed + 0.5, self.others_failed + 0.5
        ratio = (a / (self.sent + 0.5)) / (b / (self.others_sent + 0.5))
        wide = 1.959964 * float(np.sqrt(max(0.0, 1 / a - 1 / (self.sent + 0.5) + 1 / b - 1 / (self.others_sent + 0.5))))
        low, high = ratio * float(np.exp(-wide)), ratio * float(np.exp(wide))
        if not self.others_failed or not self.others_sent:
            return None, low, None
        return self.rate / self.others_rate, low, high


def interval(failed: int, sent: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate (Clopper and Pearson)."""
    if not sent:
        return 0.0, 1.0
    low = float(special.betaincinv(failed, sent - failed + 1, 0.025)) if failed else 0.0
    high = float(special.betaincinv(failed + 1, sent - failed, 0.975)) if failed < sent else 1.0
    return low, high


def band(rate: float) -> str:
    """Name the band of a refusal rate (DESIGN section 7): watch under 0.5 %, investigate to 2 %, pause above."""
    return "watch" if rate < 0.005 else "investigate" if rate <= 0.02 else "pause"


def standing(failed: int, sent: int) -> str:
    """Name the band of what was counted, or say that there is too little to tell one."""
    low, high = interval(failed, sent)
    return "no mail" if not sent else "too few" if high - low >= UNTOLD else band(failed / sent)
