"""The laptop size (ADR 0008): a real bus and a real database out of wheels, and one process per service, supervised."""
