"""The engine: verdicts as a pure function of a recorded log (ADR 0001). No clock, no I/O, no randomness."""
