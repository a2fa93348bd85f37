"""The towers for images whose start is known."""

from collections.abc import Mapping

from kvcalc.parameters.sizes import TowerKind

TOKENS_OF_AN_IMAGE: Mapping[TowerKind, int] = {"gemma3": 256}
"""Tokens of an image, by the towers that logs of three sizes agree with (models/gemma3_mm.py)."""
