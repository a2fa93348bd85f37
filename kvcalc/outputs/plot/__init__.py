"""A plot without a picture: drawn in the terminal, or as rows and a table of its points."""
