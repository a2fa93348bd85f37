"""Hostile inputs, drawn from valid ones: `python -m tests.fuzz --seed 1 --seconds 60`."""
