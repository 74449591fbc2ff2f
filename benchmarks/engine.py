"""How many samples a second one core judges: `python -m benchmarks.engine [--checks 312] [--seconds 600]`.

Each check has a realistic load: `failed 2 of 3`, p95 over 5 minutes in three bands, a mean over 10 minutes, silence;
probed every 10 s; batches of 20 arrive in order, a tick of the prober every second. Only `apply` is timed: no JSON, no
bus. `--hovering` is the share of values that lie around a threshold, where percentiles must really be computed.
"""

import argparse
import gc
import platform
from collections.abc import Iterator
from random import Random
from time import process_time

from services.evaluator.domain.engine import Partition
from services.evaluator.domain.plan import (
    MINUTE_NS,
    SECOND_NS,
    TOTAL,
    Aggregate,
    BandPlan,
    CheckKind,
    CheckPlan,
    Direction,
    FailedPlan,
    PartitionPlan,
    RulePlan,
    WindowPlan,
)
from services.evaluator.domain.records import PlanApplied, Record, Sample, Samples
from shared.values import CheckId, Location, Outcome, RuleId, ServiceId, Severity
from shared.values import Partition as PartitionNumber

MAIN, SHOP = Location("main"), ServiceId("shop")
EVERY_S, BATCH = 10, 20
START_NS = 29_000_000 * MINUTE_NS
CLASSES = (
    BandPlan(Severity.CRITICAL, 1.0, "1s"),
    BandPlan(Severity.HIGH, 0.5, "500ms"),
    BandPlan(Severity.MEDIUM, 0.2, "200ms"),
)


def rules_of(check: CheckId) -> Iterator[RulePlan]:
    def rule(name: str, bands: tuple[BandPlan, ...], **condition: FailedPlan | WindowPlan) -> RulePlan:
        failed, window = condition.get("failed"), condition.get("window")
        return RulePlan(
            RuleId(f"{check}-{name}"), check, SHOP, name, bands, 30 * SECOND_NS, 60 * SECOND_NS,
            failed if isinstance(failed, FailedPlan) else None, window if isinstance(window, WindowPlan) else None,
        )  # fmt: skip

    yield rule("down", (BandPlan(Severity.CRITICAL),), failed=FailedPlan(2, 3, 2))
    yield rule("silent", (BandPlan(Severity.HIGH),))
    p95 = WindowPlan(Aggregate.P95, TOTAL, "s", 5 * MINUTE_NS, Direction.ABOVE, 0.1)
    mean = WindowPlan(Aggregate.MEAN, TOTAL, "s", 10 * MINUTE_NS, Direction.ABOVE, 0.1)
    yield rule("slow", CLASSES, window=p95)
    yield rule("mean", CLASSES[1:2], window=mean)


def plan_of(checks: int) -> PartitionPlan:
    names = [CheckId(f"check-{number}") for number in range(checks)]
    plans = tuple(
        CheckPlan(
            one, SHOP, CheckKind.HTTP, EVERY_S * SECOND_NS, 2 * SECOND_NS, 10 * SECOND_NS, (MAIN,), (TOTAL,)
        ) for one in names
    )  # fmt: skip
    rules = tuple(rule for name in names for rule in rules_of(name))
    return PartitionPlan(PartitionNumber(0), 1, "benchmark", plans, rules, (MAIN,), 10 * SECOND_NS)


def log_of(plan: PartitionPlan, seconds: int, hovering: float) -> Iterator[Record]:
    """Each second, its share of the checks (a hash phase spreads them evenly)."""
    random = Random(1)  # noqa: S311  # a repeatable load, nothing secret
    for second in range(seconds):
        due_ns = START_NS + second * SECOND_NS
        names = [check.check for check in plan.checks[second % EVERY_S :: EVERY_S]]
        samples = [_sample(name, due_ns, random, hovering) for name in names]
        for at in range(0, max(len(samples), 1), BATCH):
            yield Samples(due_ns + 100_000_000, MAIN, "prober-0", samples[at : at + BATCH])


def _sample(name: CheckId, due_ns: int, random: Random, hovering: float) -> Sample:
    if random.random() < 0.001:
        return Sample(name, due_ns, 2.0, Outcome.FAILED, "timeout")
    took = random.gauss(0.2, 0.02) if random.random() < hovering else random.uniform(0.02, 0.12)
    return Sample(name, due_ns, took, Outcome.OK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, nargs="*", default=[312, 1000, 5000])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--hovering", type=float, nargs="*", default=[0.0, 0.05])
    options = parser.parse_args()
    print(f"python {platform.python_version()} on {platform.machine()}, one core; checks every {EVERY_S} s")
    for checks in options.checks:
        for hovering in options.hovering:
            measure(checks, options.seconds, hovering)


def measure(checks: int, seconds: int, hovering: float) -> None:
    plan = plan_of(checks)
    records = list(log_of(plan, seconds, hovering))
    samples = sum(len(record.samples) for record in records if isinstance(record, Samples))
    partition = Partition()
    partition.apply(PlanApplied(START_NS, plan))
    gc.collect()
    gc.freeze()
    began, outputs = process_time(), 0
    for record in records:
        outputs += len(partition.apply(record))
    took = process_time() - began
    began = process_time()
    data = partition.dump()
    dumped = process_time()
    Partition.load(data)
    restored = process_time()
    print(
        f"{checks:5} checks, {hovering:4.0%} hovering: {took / samples * 1e6:5.2f} us a sample, "
        f"{samples / took / 1000:4.0f} k/s; {outputs} outputs; checkpoint {len(data) / checks:5.0f} B a check, "
        f"dump {(dumped - began) * 1e3:4.0f} ms, restore {(restored - dumped) * 1e3:4.0f} ms"
    )


if __name__ == "__main__":
    main()
