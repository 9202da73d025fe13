"""The layers that the NPU report looks at: what the profile has at a few sizes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dsprof.analysis.layer import path_of
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.moe.experts_read import WHOLE_STEP
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.fit import Fits, fit_kernels
from dsprof.analysis.whatif.layer_terms import call_terms, layer_terms
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from dsprof.analysis.whatif.work import Work, works_by_point
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, LayerPath, Measurement, Phase

if TYPE_CHECKING:
    import pandas as pd

DECODE_BATCH_SIZES = (1, 32, 128)
PREFILL = ProblemSize(phase=Phase.PREFILL, batch_size=1, seq_len=1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedCall:
    """One call of a layer: its terms and the row that they come from."""

    terms: CallTerms
    row: Measurement
    held: float = 1.0  # tensor FLOP that the cores are held for, over the row's own

    @property
    def label(self) -> str:
        return self.row.point.label

    @property
    def time_s(self) -> float:
        """Of all its calls in the layer."""
        return self.terms.count * self.terms.time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedLayer:
    """The timed calls of one size in order, most of them with their share of time."""

    size: ProblemSize
    terms: LayerTerms
    calls: tuple[SizedCall, ...]

    @property
    def title(self) -> str:
        kv_len = self.terms.kv_len
        return (
            self.size.title if kv_len is None else f"{self.size.title} kv_len={kv_len}"
        )

    @property
    def time_s(self) -> float:
        return self.terms.time_s

    @property
    def is_decode(self) -> bool:
        return self.size.phase is Phase.DECODE

    def share_pct(self, calls: Iterable[SizedCall]) -> float:
        """Percent of the layer's time that some of its calls take."""
        return 100 * sum(call.time_s for call in calls) / self.time_s

    def longest(self, calls: Iterable[SizedCall] | None = None) -> list[str]:
        """Labels of the calls, the longest first."""
        some = self.calls if calls is None else calls
        return [call.label for call in sorted(some, key=lambda one: -one.time_s)]


@dataclass(frozen=True, kw_only=True)
class NpuData:
    """What the nine sections read.

    ``whole`` says that the calls are those of a layer; where no step of a layer has a
    time, every timed call of a size stands there once. Layers without a single time
    are absent.
    """

    profile: Profile
    cache: Cache
    path: LayerPath
    whole: bool
    fits: Fits
    layers: tuple[SizedLayer, ...]

    @property
    def decode(self) -> list[SizedLayer]:
        return [layer for layer in self.layers if layer.is_decode]

    @property
    def prefill(self) -> list[SizedLayer]:
        return [layer for layer in self.layers if not layer.is_decode]

    @cached_property
    def merged(self) -> "pd.DataFrame":
        """The merged frame of the counters; no row in a profile without them."""
        return merged_frame(self.profile)

    @property
    def model(self) -> dict[str, int]:
        return {one.name: one.value for one in self.profile.model}

    @property
    def missing(self) -> tuple[str, ...]:
        """Calls of any of the layers that have no time."""
        return tuple(
            dict.fromkeys(name for layer in self.layers for name in layer.terms.missing)
        )


def npu_data(
    profile: Profile,
    *,
    cache: Cache | None = None,
    path: LayerPath | None = None,
    fits: Fits | None = None,
) -> NpuData:
    """Layers at up to three decode batch sizes and one prefill, fitted and split.

    Cold times, where there are any: a model's next layer finds nothing of its own in
    L2. ``fits`` is for a caller that has them; they decide the cache state.
    """
    state = fits.cache if fits is not None else cache or _state(profile)
    fitted = fit_kernels(profile, state) if fits is None else fits
    chosen = path_of(profile) if path is None else path
    sizes = sizes_of(profile, state)
    layers = [_sized(profile, fitted, size, path=chosen, whole=True) for size in sizes]
    whole = any(layer.calls for layer in layers)
    if not whole:
        layers = [
            _sized(profile, fitted, size, path=chosen, whole=False) for size in sizes
        ]
    return NpuData(
        profile=profile,
        cache=state,
        path=chosen,
        whole=whole,
        fits=fitted,
        layers=tuple(layer for layer in layers if layer.calls),
    )


def sizes_of(profile: Profile, cache: Cache) -> list[ProblemSize]:
    """The sizes to look at: those of the reports, or the least and most recorded."""
    timed = dict.fromkeys(
        (row.point.phase, row.point.batch_size, row.point.seq_len)
        for row in profile.measurements
        if row.timing(cache) is not None
    )
    batches = sorted(size[1] for size in timed if size[0] is Phase.DECODE)
    chosen: Sequence[int] = [one for one in DECODE_BATCH_SIZES if one in batches]
    if not chosen and batches:
        chosen = sorted({batches[0], batches[-1]})
    found = [
        ProblemSize(phase=Phase.DECODE, batch_size=batch_size, seq_len=1)
        for batch_size in chosen
    ]
    prompts = [size for size in timed if size[0] is Phase.PREFILL]
    if prompts:
        usual = (PREFILL.phase, PREFILL.batch_size, PREFILL.seq_len)
        largest = max(prompts, key=lambda size: (size[1] * size[2], size[2]))
        phase, batch_size, seq_len = usual if usual in timed else largest
        found.append(ProblemSize(phase=phase, batch_size=batch_size, seq_len=seq_len))
    return found


def _state(profile: Profile) -> Cache:
    cold = any(row.cold is not None for row in profile.measurements)
    return Cache.COLD if cold else Cache.WARM


def _kv_len(profile: Profile, size: ProblemSize) -> int | None:
    """The longest context of the size's points."""
    lengths = [row.point.kv_len for row in size.select(profile.measurements)]
    return max((length for length in lengths if length is not None), default=None)


def _sized(
    profile: Profile, fits: Fits, size: ProblemSize, *, path: LayerPath, whole: bool
) -> SizedLayer:
    kv_len = _kv_len(profile, size)
    rows = _timed_rows(profile, size, kv_len, fits.cache)
    terms = (
        layer_terms(profile, fits, size, path, kv_len, fits.cache)
        if whole
        else _every_call(profile, fits, size, path, rows)
    )
    works = works_by_point(profile, fits.cache)
    return SizedLayer(
        size=size,
        terms=terms,
        calls=tuple(
            SizedCall(terms=call, row=row, held=_held(works[row.point]))
            for call in terms.calls
            for row in (rows[call.kernel, call.op],)
        ),
    )


def _held(work: Work) -> float:
    """Whole tiles in whole waves over the FLOP that the call asks for."""
    held = sum(work.tensor_flops.values())
    own = sum(work.row.flops.get(path, 0) for path in work.tensor_flops)
    return held / own if own else 1.0


def _timed_rows(
    profile: Profile, size: ProblemSize, kv_len: int | None, cache: Cache
) -> dict[tuple[str, str], Measurement]:
    """The quickest timed row of each kernel and op at a size."""
    found: dict[tuple[str, str], Measurement] = {}
    for row in size.select(profile.measurements):
        timing, key = row.timing(cache), (row.point.kernel, row.point.op)
        if row.point.op == WHOLE_STEP:  # stands for calls that are timed one by one
            continue
        if timing is None or row.point.kv_len not in {None, kv_len}:
            continue
        known = found.get(key)
        other = known.timing(cache) if known else None
        if other is None or timing.median_us < other.median_us:
            found[key] = row
    return found


def _every_call(
    profile: Profile,
    fits: Fits,
    size: ProblemSize,
    path: LayerPath,
    rows: Mapping[tuple[str, str], Measurement],
) -> LayerTerms:
    """Each timed call once, for a profile that does not time what a layer is."""
    works = works_by_point(profile, fits.cache)
    return LayerTerms(
        phase=size.phase,
        batch_size=size.batch_size,
        seq_len=size.seq_len,
        kv_len=_kv_len(profile, size) if size.phase is Phase.DECODE else None,
        path=path,
        cache=fits.cache,
        source=fits.source,
        calls=tuple(call_terms(fits, works[row.point]) for row in rows.values()),
    )
