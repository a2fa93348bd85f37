"""Workbooks of spreadsheets: the sheets as plain cells, and what writes them as xlsx or CSV."""
