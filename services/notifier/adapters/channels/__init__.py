"""One file per way out: it speaks the provider's protocol and says what came of it."""
