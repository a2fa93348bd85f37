"""Pictures of answers: Vega-Lite specifications as plain data, one file a kind of picture."""
