"""The arithmetic: expressions, formulas, and the languages that they are written in."""
