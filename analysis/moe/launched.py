"""What one call of several kernels spends on each, as ncu timed its launches."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dsprof.harness.counters import Counters
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Call

NS_PER_US = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """The launches of one call at a number of tokens, added up by function.

    ncu runs launches one by one, so gaps between them are not in it, and clocks and
    caches are not those of a timed run: the sum differs from the call's time.
    """

    call: Call
    tokens: int
    functions_us: Mapping[str, float]  # in the order of their first launch
    counted: tuple[Counters, ...]  # in the order of the launches

    @property
    def launches(self) -> int:
        return len(self.counted)

    @property
    def total_us(self) -> float:
        return sum(self.functions_us.values())


def launched_calls(profile: Profile, cache: Cache) -> tuple[Launched, ...]:
    """Every call with more than one launch at a counted point; by call and tokens."""
    points = {row.point.label: row.point for row in profile.measurements}
    of_label: dict[str, list[Counters]] = defaultdict(list)
    for counters in profile.counters:
        if counters.cache is cache and counters.duration_ns is not None:
            of_label[counters.label].append(counters)
    found = []
    for label, launches in of_label.items():
        if label not in points or len(launches) == 1:
            continue
        functions_us: dict[str, float] = defaultdict(float)
        for one in launches:
            functions_us[one.function_name] += (one.duration_ns or 0.0) / NS_PER_US
        point = points[label]
        found.append(
            Launched(
                call=Call(kernel=point.kernel, op=point.op),
                tokens=point.tokens,
                functions_us=dict(functions_us),
                counted=tuple(launches),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.call.label, one.tokens)))
