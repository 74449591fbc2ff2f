"""`hypercare dead`: dead letters, whole, with the reason; shown and sent again."""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.system import (
    DEFAULT_DATA,
    EXIT_NOT_DONE,
    AsJson,
    Data,
    admin_bus,
    clock_of,
    fail,
    find_system,
    run,
    show,
    table,
)

if TYPE_CHECKING:
    from nats.js.api import RawStreamMsg

app = typer.Typer(
    name="dead",
    help="Dead letters: list, show, replay.",
    epilog="Example: hypercare dead list",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(help="Its number, as `dead list` shows it.", show_default=False)]


@app.command("list", epilog="Example: hypercare dead list")
def list_(*, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Every dead letter that is still kept."""
    letters = run(_read_all(data))

    def words() -> str:
        rows = [
            (str(n["number"]), clock_of(n["at"]) if n["at"] else "-", n["stream"], n["consumer"], n["reason"])
            for n in letters
        ]
        return table(("N", "AT", "STREAM", "CONSUMER", "REASON"), rows) if rows else "no dead letters"

    show(letters, as_json=as_json, text=words)


@app.command("show", epilog="Example: hypercare dead show 3")
def show_(*, number: Number, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """One dead letter with its original message."""
    letter = _pick(run(_read_all(data)), number)
    show(letter, as_json=as_json, text=lambda: json.dumps(letter, indent=2, ensure_ascii=False))


@app.command("replay", epilog="Example: hypercare dead replay 3")
def replay(*, number: Number, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Publish the original message again, under an id of its own; readers are idempotent."""
    letter = _pick(run(_read_all(data)), number)
    if "body" not in letter:
        fail(f"dead letter {number} cannot be read: there is nothing to send", EXIT_NOT_DONE)
    run(_publish(data, letter))
    show(letter, as_json=as_json, text=lambda: f"sent again on {letter['original_subject']}")


def _pick(letters: list[dict[str, Any]], number: int) -> dict[str, Any]:
    found = [letter for letter in letters if letter["number"] == number]
    if not found:
        fail(f"there is no dead letter {number}", EXIT_NOT_DONE)
    return found[0]


async def _read_all(data: Path) -> list[dict[str, Any]]:
    """Every letter, oldest first, one question each: a consumer would outlive an interrupted command."""
    from nats.js.errors import NotFoundError

    from shared.contracts.streams import DEAD

    letters: list[dict[str, Any]] = []
    async with admin_bus(find_system(data)) as client:
        js = client.jetstream()
        state = (await js.stream_info(DEAD.name)).state
        number = state.first_seq
        while number <= state.last_seq:
            try:
                found = await js.get_msg(DEAD.name, seq=number, subject=DEAD.subjects[0], next=True)
            except NotFoundError:  # aged out since we asked
                break
            letters.append(_letter(found))
            number = letters[-1]["number"] + 1
    return letters


def _letter(found: "RawStreamMsg") -> dict[str, Any]:
    from pydantic import ValidationError

    from shared.contracts import DeadLetter

    raw = found.data or b""
    try:
        letter = DeadLetter.from_json(raw)
    except ValidationError:  # whoever may write letters may write anything; the others are read all the same
        stream, consumer = str(found.subject).split(".")[-2:]
        known = {"number": found.seq, "at": None, "stream": stream, "consumer": consumer}
        return {**known, "reason": "unreadable", "text": raw.decode(errors="replace")}
    text = bytes(letter.body).decode(errors="replace")
    return {"number": found.seq, **letter.model_dump(mode="json"), "text": text}


async def _publish(data: Path, letter: dict[str, Any]) -> None:
    from shared.contracts.base import MSG_ID_HEADER

    async with admin_bus(find_system(data)) as client:
        old_id = letter["headers"].get(MSG_ID_HEADER, "")
        headers = {**letter["headers"], MSG_ID_HEADER: f"{old_id}.replay.{letter['number']}"}
        await client.jetstream().publish(letter["original_subject"], base64.b64decode(letter["body"]), headers=headers)
