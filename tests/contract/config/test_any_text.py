"""No text, however broken, ever raises anything but ConfigErrors, or takes the machine with it."""

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.config import ConfigError, ConfigErrors, parse

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine makes a test slow, not wrong."""

SAMPLE = (Path(__file__).parents[3] / "examples" / "sample.yaml").read_text(encoding="utf-8")
LINES = SAMPLE.splitlines()
PIECES = [
    *(
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "${X}",
        "${",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "\t",
        "'",
        '"',
        "|",
        ">",
        "#",
        "? ",
    ),
    *(
        "%YAML 1.1",
        "---",
        "...",
        "\x00",
        "\ud7ff",
        "\u2028",
        "\ufeff",
        "\r",
        "\\U00110000",
        '"\\xZZ"',
        "😀",
        "=",
        "!",
        "@",
    ),
    *("1e999", ".nan", "-0", "true", "null", "~", "99999999999999999999999", "0o7", "0x_", "+49", "include: [x.yaml]"),
]


def read(text: str) -> None:
    """Read a text; whatever is wrong with it must have a place and one line of words."""
    errors = _refusal(text)
    assert errors != ()
    assert all(one.line >= 1 and one.column >= 1 and "\n" not in str(one) for one in errors or ())


def _refusal(text: str) -> tuple[ConfigError, ...] | None:
    try:
        parse(text, "any.yaml", {"X": "a: b"})
    except ConfigErrors as refusal:
        return refusal.errors
    return None


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The sample with a few lines cut, doubled, moved, or with something odd put in."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["cut", "double", "move", "insert", "value"])):
            case "cut" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "insert":
                column = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:column] + draw(st.sampled_from(PIECES)) + lines[at][column:]
            case _:
                lines[at] = lines[at].split(":")[0] + ": " + draw(st.sampled_from(PIECES) | st.text(max_size=12))
    return "\n".join(lines)


@settings(CALM, max_examples=40)
@given(mutated())
def test_a_mutated_sample_is_read_or_refused(text: str) -> None:
    read(text)


@settings(CALM, max_examples=200)
@given(st.text(max_size=200) | st.lists(st.sampled_from([*PIECES, "\n", " ", "a", "a: ", "\n  "])).map("".join))
@example('"\\UFFFFFFFF"')
@example("%YAML 99999999999.1\n--- a")
@example("a: &a {<<: *a}")
@example("%TAG ! \x85\n--- !x y")
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)


def test_a_chain_of_merges_ends_in_an_error() -> None:
    chain = ["a0: &a0 {x: 1}", *(f"a{at}: &a{at} {{<<: *a{at - 1}}}" for at in range(1, 500))]
    read("\n".join(chain))


def test_merges_that_multiply_end_in_an_error() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{at}: 1" for at in range(100)) + "}"]
    lines += [f"a{at}: &a{at} {{<<: [{', '.join([f'*a{at - 1}'] * 10)}]}}" for at in range(1, 12)]
    read("\n".join(lines))
