"""Keys that tests seal with; made up, the same everywhere."""

from typing import Final

from shared.contracts.permissions import BUS_USERS

TOKEN_KEY = "a-key-for-tokens-in-tests"

BUS_PASSWORDS: Final = {user.name: f"{user.name}-pw" for user in BUS_USERS}
"""Of every user of the bus."""
