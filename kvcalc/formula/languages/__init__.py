"""The languages that formulas are written in: one file each, a table of rules."""
