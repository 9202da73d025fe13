"""The problem size that a command was asked for, if the profile has it."""

from dsprof.analysis.sizes import ProblemSize
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import Phase


def recorded_size(
    profile: Profile, phase: Phase, batch_size: int, seq_len: int
) -> ProblemSize:
    """The size; ``seq_len`` counts in prefill only. A UsageError lists the others."""
    size = ProblemSize(
        phase=phase,
        batch_size=batch_size,
        seq_len=seq_len if phase is Phase.PREFILL else 1,
    )
    if not size.select(profile.measurements):
        sizes = dict.fromkeys(
            ProblemSize(
                phase=phase,
                batch_size=row.point.batch_size,
                seq_len=row.point.seq_len,
            ).title
            for row in profile.measurements
            if row.point.phase is phase
        )
        raise UsageError(
            f"This profile has no point at {size.title}. "
            f"It has: {', '.join(sizes) or f'none of {phase}'}."
        )
    return size


def recorded_kv_len(
    profile: Profile, size: ProblemSize, wanted: int | None
) -> int | None:
    """The context length to add up at; a UsageError where the profile has others."""
    if size.phase is Phase.PREFILL:
        return None
    known = profile.sweep.kv_lens
    if wanted is None:
        return known[0] if known else None
    if wanted not in known:
        have = ", ".join(map(str, known)) or "none"
        raise UsageError(f"This profile has no kv_len {wanted}. It has: {have}.")
    return wanted
