"""The Hypothesis profile of this project: fixed examples, no deadline, no example database.

Importing the module loads the profile. It also contains strategies shared by several tests.
"""

from hypothesis import settings
from hypothesis import strategies as st

settings.register_profile("foss", derandomize=True, deadline=None, max_examples=150, database=None)
settings.load_profile("foss")

#: Any text, including lone surrogates and NUL, because JSON can escape characters that UTF-8 cannot encode.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)

#: Any value that can occur in JSON.
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
