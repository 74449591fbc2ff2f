"""The small latency line of a row: geometry and words, no markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from services.console.model.trace import Look
from services.console.web.words import seconds, span
from shared.values import Outcome

WIDTH: Final = 160.0
HEIGHT: Final = 32.0
_HOUR_S: Final = 3600.0
_LEAST_SPAN_S: Final = 300.0
_HEADROOM: Final = 1.15


@dataclass(frozen=True)
class Spark:
    """A drawing in a box of 160 by 32, time to the right, zero at the bottom; and the same in words."""

    lines: tuple[str, ...]
    """Each a `points` attribute; a line breaks where there is no number."""
    dots: tuple[tuple[float, float], ...]
    """Numbers that stand alone between two breaks."""
    failed_at: tuple[float, ...]
    unknown_at: tuple[float, ...]
    limit_y: float | None
    """Height of the first threshold of a rule, where it fits into the drawing."""
    text: str


def spark_of(looks: Sequence[Look], now: datetime, limit_s: float | None = None) -> Spark | None:
    """Draw the looks of the last hour (or of what there is, at least five minutes wide); None without any."""
    if not looks:
        return None
    end = now.timestamp()
    begin = min(max(looks[0].at, end - _HOUR_S), end - _LEAST_SPAN_S)
    took = [look.took_s for look in looks if look.took_s is not None]
    top = max([*took, 0.001]) * _HEADROOM
    limit = limit_s if limit_s is not None and limit_s < 2 * top else None
    top = max(top, (limit or 0) * _HEADROOM)

    def x(at: float) -> float:
        return round(min(max((at - begin) / (end - begin), 0), 1) * (WIDTH - 4) + 2, 1)

    def y(value_s: float) -> float:
        return round((HEIGHT - 3) - value_s / top * (HEIGHT - 6), 1)

    runs = _runs([(x(look.at), None if look.took_s is None else y(look.took_s)) for look in looks])
    return Spark(
        lines=tuple(" ".join(f"{px},{py}" for px, py in run) for run in runs if len(run) > 1),
        dots=tuple(run[0] for run in runs if len(run) == 1),
        failed_at=tuple(sorted({x(look.at) for look in looks if look.outcome is Outcome.FAILED})),
        unknown_at=tuple(sorted({x(look.at) for look in looks if look.outcome is Outcome.UNKNOWN})),
        limit_y=None if limit is None else y(limit),
        text=_text(looks, took, end - max(looks[0].at, end - _HOUR_S)),
    )


def _runs(points: list[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for px, py in points:
        if py is None:
            runs.append([])
        else:
            runs[-1].append((px, py))
    return [run for run in runs if run]


def _text(looks: Sequence[Look], took: list[float], wide_s: float) -> str:
    failed = sum(look.outcome is Outcome.FAILED for look in looks)
    unknown = sum(look.outcome is Outcome.UNKNOWN for look in looks)
    said = [f"last {span(timedelta(seconds=wide_s))}: {failed} failed", f"{unknown} unknown"]
    if took:
        said += [f"usually {seconds(median(took))}", f"slowest {seconds(max(took))}"]
    return ", ".join(said)
