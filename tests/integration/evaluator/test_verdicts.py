"""From batches on the bus to breaches, minutes and open sets on the bus."""

from datetime import timedelta

from shared.config import EvaluatorSlice
from shared.contracts import BreachCleared, BreachOpened, ClearReason
from shared.values import Severity
from tests.integration.evaluator.stage import Stage, configuration, eventually


async def test_failing_samples_open_a_breach_and_good_ones_clear_it(stage: Stage) -> None:
    await stage.apply(configuration())
    stage.start()
    prober = stage.prober()
    await stage.until_configured()
    await prober.ok(0, 1)
    await prober.failed(2, 3)
    await stage.until_told("opened down")
    await prober.ok(4, 5)
    await stage.until_told("cleared down")

    opened, cleared = (one for one in await stage.breaches() if one.key.rule == "down")
    assert isinstance(opened, BreachOpened)
    assert (opened.source, opened.service, opened.key.text) == ("evaluator-0", "shop", "down/web/main")
    assert opened.breach.severity is Severity.CRITICAL
    assert opened.breach.began_at == prober.start + timedelta(seconds=3)
    assert opened.sample_took_s == 0.25
    assert isinstance(cleared, BreachCleared)
    assert cleared.reason is ClearReason.HEALED
    assert cleared.rev > opened.rev


async def test_the_open_set_is_stated_with_the_configuration_and_as_often_as_it_says(stage: Stage) -> None:
    await stage.apply(configuration(restate="1s"))
    stage.start()

    async def is_stated() -> bool:
        return await stage.open_set() is not None

    await eventually(is_stated, "an open set")
    first = await stage.open_set()
    assert first is not None
    assert first.breaches == []
    prober = stage.prober()
    await prober.failed(1, 2)

    async def is_listed() -> bool:
        now = await stage.open_set()
        return now is not None and now.as_of > first.as_of and [one.key.rule for one in now.breaches] == ["down"]

    await eventually(is_listed, "the breach in the next open set")


async def test_a_rule_that_vanishes_clears_its_breach_but_not_as_healed(stage: Stage) -> None:
    config = configuration()
    await stage.apply(config)
    stage.start()
    await stage.until_configured()
    await stage.prober().failed(1, 2)
    await stage.until_told("opened down")
    rules = {name: rule for name, rule in config.rules.items() if name != "down"}
    await stage.apply(EvaluatorSlice(**{**dict(config), "rules": rules}))
    await stage.until_told("cleared down")
    cleared = (await stage.breaches())[-1]
    assert isinstance(cleared, BreachCleared)
    assert cleared.reason is ClearReason.CONFIG
