"""The edges out: Postgres, memory, and the configuration."""
