"""HTTP for people and programs, under /api/v1."""
