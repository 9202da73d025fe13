"""Layers of any terms, for hypothesis."""

from hypothesis import strategies as st

from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from tests.analysis.whatif.hand_made import make_call, make_layer

TERMS = ("tensor", "bf16", "vector", "hbm", "on_chip", "fixed")
MICROSECONDS = st.one_of(st.just(0.0), st.floats(0.01, 1000))


@st.composite
def calls(draw: st.DrawFn) -> CallTerms:
    """One call with at least one term, in a layer up to three times."""
    us = {name: draw(MICROSECONDS) for name in TERMS}
    if not any(us.values()):
        us["hbm"] = 1.0
    return make_call(
        **us,
        count=float(draw(st.integers(1, 3))),
        op=draw(st.sampled_from(["q_b_proj", "experts (down)"])),
    )


@st.composite
def layers(draw: st.DrawFn) -> LayerTerms:
    return make_layer(*draw(st.lists(calls(), min_size=1, max_size=5)))
