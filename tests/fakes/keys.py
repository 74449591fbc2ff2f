"""Keys that tests seal with; made up, the same everywhere."""

TOKEN_KEY = "a-key-for-tokens-in-tests"
