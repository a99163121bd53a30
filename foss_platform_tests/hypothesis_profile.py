"""The Hypothesis profile of this project: the same examples every time, no deadline, nothing kept on disk.

Importing it loads it. It also holds the strategies that several tests share.
"""

from hypothesis import settings
from hypothesis import strategies as st

settings.register_profile("foss", derandomize=True, deadline=None, max_examples=150, database=None)
settings.load_profile("foss")

#: Any text, lone surrogates and NUL included: JSON can escape what UTF-8 cannot hold.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)

#: Any value that a JSON text can give.
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
