"""Texts at random, of all characters that UTF-8 has.

Hypothesis has the same by default, but works out for seconds which they are where it has no cache.
"""

from hypothesis import strategies as st

CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS)
