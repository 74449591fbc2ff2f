"""The rules of incidents: pure functions over frozen values. No clock, no I/O, no randomness."""
