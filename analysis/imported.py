"""A profile made of other people's files instead of a run."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsprof.analysis.file_kind import FileKind, file_kind
from dsprof.analysis.kineto import read_kineto
from dsprof.analysis.launches import Launch, ReadResult, dsprof_label, to_counters
from dsprof.analysis.ncu_csv import read_ncu_csv
from dsprof.analysis.ncu_report import read_ncu_report
from dsprof.analysis.nsys_sqlite import read_nsys_sqlite
from dsprof.analysis.report_device import device_from_launches
from dsprof.harness.captures import ImportedFile
from dsprof.harness.counters import Counters
from dsprof.harness.device import DeviceSpec, match_device
from dsprof.harness.errors import ProfileError, UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Sweep
from dsprof.harness.timeline import Timeline

NO_SWEEP = Sweep(
    kernels=(),
    ops=(),
    phases=(),
    decode_batch_sizes=(),
    prefill_batch_sizes=(),
    seq_lens=(),
    kv_lens=(),
    caches=(),
    timer="",
    warmups=0,
    replays=0,
    timeout_s=0.0,
)
UNKNOWN = (0, 0)  # compute capability


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A foreign file with what was read of it."""

    path: Path
    sha256: str
    result: ReadResult

    @property
    def devices(self) -> set[tuple[str, tuple[int, int]]]:
        """The GPUs that it names; the name is empty where a launch names none."""
        timeline = self.result.timeline
        if timeline is not None:
            names = timeline.device_names
            return {(name, timeline.compute_capability) for name in names}
        return {
            (launch.device_name, launch.compute_capability)
            for launch in self.result.launches
        }

    @property
    def kernels(self) -> tuple[int, int]:
        """How many launches it has, and of how many kernels."""
        timeline = self.result.timeline
        if timeline is None:
            launches = self.result.launches
            return len(launches), len({launch.kernel_name for launch in launches})
        names = {row.kernel_name for row in timeline.kernels}
        return timeline.ranges[0].kernels, len(names)


def read_file(path: Path, *, ranges: Sequence[str] = ()) -> ReadResult:
    """Read a file of any kind, told apart by what is in it.

    ``ranges`` are those of timelines; other files have none to choose from.
    """
    match file_kind(path):
        case FileKind.NCU_REPORT:
            return read_ncu_report(path)
        case FileKind.TEXT:
            return read_ncu_csv(path)
        case FileKind.NSYS_SQLITE:
            return _timeline(read_nsys_sqlite(path, ranges=ranges), "nsys SQLite")
        case FileKind.KINETO:
            return _timeline(read_kineto(path, ranges=ranges), "torch.profiler trace")


def _timeline(timeline: Timeline, format_: str) -> ReadResult:
    return ReadResult(
        launches=(), format=format_, notes=timeline.notes, timeline=timeline
    )


def read_files(
    paths: Iterable[Path], read_one: Callable[[Path], ReadResult] = read_file
) -> tuple[ReadFile, ...]:
    """Read every file, or name every one that cannot be read in one ProfileError."""
    read: list[ReadFile] = []
    problems: list[str] = []
    for path in paths:
        try:
            result = read_one(path)
        except ProfileError as error:
            problems.append(str(error))
            continue
        read.append(ReadFile(path=path, sha256=_sha256(path), result=result))
    if len(problems) == 1:
        raise ProfileError(problems[0])
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ProfileError(
            f"{len(problems)} files cannot be read, so nothing was written:{lines}"
        )
    _refuse_twins(read)
    return tuple(read)


def find_device(files: Sequence[ReadFile], wanted: DeviceSpec | None) -> DeviceSpec:
    """The one GPU that all files are of; a UsageError where they or ``wanted`` differ.

    A file need not name its GPU: ncu's details page has the compute capability alone.
    """
    capability = _single_gpu(files)
    if wanted is not None:
        if capability not in {UNKNOWN, wanted.compute_capability}:
            raise UsageError(
                f"--device {wanted.id} has compute capability "
                f"{_dotted(wanted.compute_capability)}, but the files are of "
                f"{_dotted(capability)}. Name the GPU that they were made on."
            )
        return wanted
    launches = [launch for file in files for launch in file.result.launches]
    names = {name for file in files for name, _ in file.devices if name}
    known = (match_device(name, capability) for name in sorted(names))
    device = device_from_launches(launches) or next(known, None)
    if device is None:
        version = "unknown" if capability == UNKNOWN else _dotted(capability)
        found = (
            f"The files do not hold the peaks of {', '.join(sorted(names))}"
            if names
            else "The files do not name their GPU"
        )
        raise UsageError(
            f"{found} (compute capability {version}). Say which GPU it is with "
            "--device, by its id or a .toml file with its rates."
        )
    return device


def imported_profile(
    files: Sequence[ReadFile],
    device: DeviceSpec,
    *,
    cache: Cache | None,
    command: str,
    dsprof_version: str | None = None,
) -> Profile:
    """A profile with one row a launch, its timelines, and no measurements."""
    names = {name for file in files for name, _ in file.devices if name}
    return Profile(
        device=device,
        environment={"dsprof": dsprof_version, "gpu": ", ".join(sorted(names)) or None},
        commands=(command,),
        sweep=NO_SWEEP,
        catalogue=(),
        slots=(),
        repeats=(),
        overheads_us={},
        summary=None,
        measurements=(),
        imported=tuple(
            ImportedFile(
                name=file.path.name,
                sha256=file.sha256,
                format=file.result.format,
                launches=file.kernels[0],
                notes=file.result.notes,
            )
            for file in files
        ),
        counters=all_counters(
            (launch for file in files for launch in file.result.launches), cache
        ),
        timelines=tuple(
            file.result.timeline for file in files if file.result.timeline is not None
        ),
    )


def all_counters(
    launches: Iterable[Launch], cache: Cache | None
) -> tuple[Counters, ...]:
    """Counters of each launch, numbered within its label.

    Launches of other people have no label; they are numbered through all files, so
    that a number stands for one launch of the profile.
    """
    seen: Counter[str] = Counter()
    counters: list[Counters] = []
    for launch in launches:
        label = dsprof_label(launch)
        counters.append(
            to_counters(launch, cache=cache, index=seen[label], label=label)
        )
        seen[label] += 1
    return tuple(counters)


def _refuse_twins(files: Sequence[ReadFile]) -> None:
    by_sum: dict[str, Path] = {}
    for file in files:
        if file.sha256 in by_sum:
            raise UsageError(
                f"{by_sum[file.sha256]} and {file.path} have the same content. Name it "
                "once, so that no launch counts twice."
            )
        by_sum[file.sha256] = file.path


def _single_gpu(files: Sequence[ReadFile]) -> tuple[int, int]:
    """The compute capability of all files; (0, 0) where none says."""
    named = {
        (name, capability): file.path.name
        for file in files
        for name, capability in sorted(file.devices, reverse=True)
    }
    names = {name for name, _ in named if name}
    capabilities = {capability for _, capability in named if capability != UNKNOWN}
    if len(names) > 1 or len(capabilities) > 1:
        each = "; ".join(
            f"{path}: {name or 'unnamed'}, {_dotted(capability)}"
            for (name, capability), path in named.items()
        )
        raise UsageError(
            f"The files are of different GPUs ({each}). A profile is of one GPU: "
            "import them one by one."
        )
    return next(iter(capabilities), UNKNOWN)


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
