"""Which migrations run while the version before still runs."""

import pytest

from shared.kit.migrations import Migration, before_roll


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([], []),
        (["0001_pre_a.sql"], ["0001_pre_a.sql"]),
        (["0001_pre_a.sql", "0002_post_b.sql"], ["0001_pre_a.sql"]),
        # what the version before has left is run first: the code it would break is gone
        (
            ["0001_pre_a.sql", "0002_post_b.sql", "0003_pre_c.sql", "0004_post_d.sql", "0005_post_e.sql"],
            ["0001_pre_a.sql", "0002_post_b.sql", "0003_pre_c.sql"],
        ),
        (["0001_post_a.sql"], []),
    ],
)
def test_what_breaks_the_old_code_is_left_for_the_next_version(names: list[str], wanted: list[str]) -> None:
    assert [one.name for one in before_roll([Migration(name, "") for name in names])] == wanted
