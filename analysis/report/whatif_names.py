"""Words and units that the pages of the what-if model share."""

from dsprof.analysis.whatif.terms import Term

MICRO, TERA, MEGA = 1e6, 1e12, 1e6
TERM_NAMES = {
    Term.TENSOR: "tensor",
    Term.VECTOR: "vector",
    Term.HBM: "HBM",
    Term.ON_CHIP: "on-chip",
    Term.FIXED: "fixed",
}
