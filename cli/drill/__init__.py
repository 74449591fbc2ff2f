"""Drills: local endpoints that speak the providers' protocols, and the switch that breaks the example."""
