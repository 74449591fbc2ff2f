"""Quantiles by the linear definition of numpy and Prometheus: rank q(n - 1), interpolated between neighbours."""

from collections.abc import Sequence


def interpolate(low: float, high: float, numerator: int, denominator: int) -> float:
    """Return the point `numerator/denominator` of the way from `low` to `high`, from the nearer end as numpy does."""
    share = numerator / denominator
    step = high - low
    return low + step * share if share < 0.5 else high - step * (1 - share)  # noqa: PLR2004  # a half is a half


def quantile(ordered: Sequence[float], percent: int) -> float:
    """Return the quantile of values that are sorted and not empty; 0 is the least, 100 the greatest."""
    low, rest = divmod(percent * (len(ordered) - 1), 100)
    if not rest:
        return ordered[low]
    return interpolate(ordered[low], ordered[low + 1], rest, 100)


def verdict_by_count(n: int, above: int, percent: int) -> bool | None:
    """Say whether the quantile of n >= 1 values is above a threshold that `above` of them exceed.

    None when the threshold lies between the two neighbours that would be interpolated: only then are they needed.
    Counting is enough everywhere else, so that no window is ever sorted to be judged.
    """
    low, rest = divmod(percent * (n - 1), 100)
    if above >= n - low:
        return True
    high = low + (rest > 0)
    return False if above <= n - 1 - high else None
