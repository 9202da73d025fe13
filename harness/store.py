"""A Profile on disk: written as it is measured, read back whole.

``profile.json`` holds everything but the rows, ``timing.csv`` the rows, appended and
synced one by one, ``samples.parquet`` the raw samples, which wait in
``samples.jsonl`` while the run goes on. A killed run leaves all but the point that
was in flight. ``counters.csv`` has one row a launch under ncu, where there was a
capture, ``launches.csv`` one a launch of a timed call, where it was traced, and
``timeline.csv`` the kernels of recorded programs. The other files are made from these
(see ``exports``).
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsprof.harness import counters_csv, launches_csv, timeline_csv, timing_csv
from dsprof.harness.counters import Counters
from dsprof.harness.errors import ProfileError, UsageError
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.plain import PlainError, Record, from_plain, to_plain
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Measurement,
    Sweep,
)
from dsprof.harness.timeline import Timeline

if TYPE_CHECKING:
    import pandas as pd

# 2: ceilings, captures, imported files, counters.csv. 3: timelines, timeline.csv.
# 4: launches.csv, distinct experts.
SCHEMA_VERSION = 4
READABLE_VERSIONS = (1, 2, 3, SCHEMA_VERSION)
HEADER_FILE = "profile.json"
ROWS_FILE = "timing.csv"
SAMPLES_FILE = "samples.parquet"
JOURNAL_FILE = "samples.jsonl"
COUNTERS_FILE = "counters.csv"
LAUNCHES_FILE = "launches.csv"
TIMELINE_FILE = "timeline.csv"
BUNDLED_PROFILES = Path(__file__).resolve().parent.parent / "profiles"

_log = logging.getLogger(__name__)


def load_profile(path: Path) -> Profile:
    """Read a recorded run; ProfileError names the file and line that is broken.

    Of a point that was measured again the last row counts. A last line that was cut
    off is left out, with a warning.
    """
    header = _read_header(path / HEADER_FILE)
    rows = path / ROWS_FILE
    text = _read_text(rows)
    measurements, cut = timing_csv.parse(text, str(rows))
    if cut:
        line = text.count("\n") + 1
        _log.warning("%s, line %d is cut off; the rows before it load.", rows, line)
    latest = {measurement.point: measurement for measurement in measurements}
    return replace(
        header,
        measurements=tuple(latest.values()),
        counters=_read_counters(path / COUNTERS_FILE),
        timelines=_read_timelines(path / TIMELINE_FILE, header.timelines),
        launches=_read_launches(path / LAUNCHES_FILE),
    )


def load_samples(path: Path) -> "pd.DataFrame":
    """Raw samples: label, cache, sample (index in order of time), time_us (a call)."""
    import pandas as pd

    frames = [_journal_frame(path / JOURNAL_FILE)]
    if (path / SAMPLES_FILE).exists():
        frames.insert(0, pd.read_parquet(path / SAMPLES_FILE))
    frame = pd.concat([part for part in frames if len(part)] or frames)
    key = ["label", "cache", "sample"]
    return frame.drop_duplicates(key, keep="last").reset_index(drop=True)


def find_bundled_profile(op: str = "") -> Path:
    """The H200 profile shipped with dsprof whose sweep has the most kernels.

    The newest of equals. With ``op``, the newest whose sweep was asked for that op by
    name, where there is one.
    """
    headers = sorted(BUNDLED_PROFILES.glob(f"h200-sxm/*/{HEADER_FILE}"))
    found = {
        header.parent: _decode(Sweep, _read_json(header).get("sweep"), header)
        for header in headers
        if _has_points(header.parent)
    }
    if not found:
        raise ProfileError(
            f"No bundled profile under {BUNDLED_PROFILES}. "
            "Name one, or make one with: dsprof time --output DIR."
        )
    asked = [folder for folder, sweep in found.items() if op in sweep.ops]
    if asked:
        return asked[-1]
    return max(found, key=lambda folder: (len(found[folder].kernels), folder.name))


def _has_points(folder: Path) -> bool:
    """Whether there is a row: a recorded program's profile has none."""
    with (folder / ROWS_FILE).open(encoding="utf-8") as rows:
        return len(list(islice(rows, 2))) > 1


class ProfileWriter:
    """Appends the rows of one run to its folder."""

    def __init__(self, path: Path, profile: Profile) -> None:
        self.path = path
        self.profile = profile

    @classmethod
    def create(cls, path: Path, profile: Profile) -> "ProfileWriter":
        """Start a profile in a new or empty folder; an existing one is not touched."""
        refuse_existing(path)
        path.mkdir(parents=True, exist_ok=True)
        _write_header(path, profile)
        replace_file(path / ROWS_FILE, timing_csv.header())
        return cls(path, profile)

    @classmethod
    def resume(cls, path: Path, profile: Profile) -> "ProfileWriter":
        """Go on with a profile that ``load_profile`` has just read.

        The rows are written anew, so that a line that was cut off is gone.
        """
        lines = [timing_csv.to_line(row) for row in profile.measurements]
        replace_file(path / ROWS_FILE, timing_csv.header() + "".join(lines))
        _write_header(path, profile)
        return cls(path, profile)

    def append(
        self, measurement: Measurement, samples_us: Mapping[Cache, Sequence[float]]
    ) -> None:
        """Write one row and its raw samples, and wait until they are on disk."""
        entries = [
            {
                "label": measurement.point.label,
                "cache": cache,
                "time_us": [round(time_us, 4) for time_us in times_us],
            }
            for cache, times_us in samples_us.items()
        ]
        lines = [json.dumps(entry) + "\n" for entry in entries]
        _append(self.path / JOURNAL_FILE, "".join(lines))
        _append(self.path / ROWS_FILE, timing_csv.to_line(measurement))

    def update_header(self, **changes: Any) -> None:  # noqa: ANN401 -- Profile's fields
        """Replace fields of profile.json, such as the summary at the end."""
        self.profile = replace(self.profile, **changes)
        _write_header(self.path, self.profile)

    def add_counters(self, counters: Sequence[Counters]) -> None:
        """Add launches; those of a point and cache state replace what was there.

        Launches outside dsprof's ranges have no label and are only ever added.
        """
        fresh = {(row.label, row.cache) for row in counters if row.label}
        kept = [c for c in self.profile.counters if (c.label, c.cache) not in fresh]
        self.profile = replace(self.profile, counters=(*kept, *counters))
        lines = [counters_csv.to_line(row) for row in self.profile.counters]
        replace_file(self.path / COUNTERS_FILE, counters_csv.header() + "".join(lines))

    def add_launches(self, launches: Sequence[LaunchSpan]) -> None:
        """Add traced launches; those of a point and cache replace what was there."""
        fresh = {(span.label, span.cache) for span in launches}
        kept = [s for s in self.profile.launches if (s.label, s.cache) not in fresh]
        self.profile = replace(self.profile, launches=(*kept, *launches))
        lines = [launches_csv.to_line(span) for span in self.profile.launches]
        replace_file(self.path / LAUNCHES_FILE, launches_csv.header() + "".join(lines))

    def add_timeline(self, timeline: Timeline) -> None:
        """Add a recorded program; its kernels are on disk before the header says so."""
        timelines = (*self.profile.timelines, timeline)
        replace_file(self.path / TIMELINE_FILE, timeline_csv.to_text(timelines))
        self.update_header(timelines=timelines)

    def pack_samples(self) -> None:
        """Move what the journal of samples holds into samples.parquet."""
        frame = load_samples(self.path)
        for column in ("label", "cache"):
            frame[column] = frame[column].astype("category")
        temporary = self.path / f"{SAMPLES_FILE}.tmp"
        frame.to_parquet(temporary, compression="zstd", index=False)
        temporary.replace(self.path / SAMPLES_FILE)
        (self.path / JOURNAL_FILE).unlink(missing_ok=True)


def refuse_existing(path: Path) -> None:
    """Raise UsageError unless a new profile can be written to this folder."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(
            f"{path} exists. Continue it with --resume, or choose another --output."
        )


def _append(path: Path, text: str) -> None:
    """Append and wait until it is on disk."""
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)


def _write_header(path: Path, profile: Profile) -> None:
    timelines = tuple(replace(line, kernels=()) for line in profile.timelines)
    header = replace(
        profile, measurements=(), counters=(), timelines=timelines, launches=()
    )
    plain = to_plain(header)
    del plain["measurements"], plain["counters"], plain["launches"]
    for timeline in plain["timelines"]:
        del timeline["kernels"]
    text = json.dumps({"schema_version": SCHEMA_VERSION, **plain}, indent=1)
    replace_file(path / HEADER_FILE, text + "\n")


def _read_counters(path: Path) -> tuple[Counters, ...]:
    if not path.exists():
        return ()
    return tuple(counters_csv.parse(_read_text(path), str(path)))


def _read_launches(path: Path) -> tuple[LaunchSpan, ...]:
    if not path.exists():
        return ()
    return tuple(launches_csv.parse(_read_text(path), str(path)))


def _read_timelines(
    path: Path, timelines: tuple[Timeline, ...]
) -> tuple[Timeline, ...]:
    if not timelines and not path.exists():
        return ()
    filled, left = timeline_csv.add_rows(timelines, _read_text(path), str(path))
    if left:
        _log.warning("%s has %d rows of a timeline that was not finished.", path, left)
    return filled


def _read_header(path: Path) -> Profile:
    plain = _read_json(path) | {"measurements": [], "counters": []}
    return _decode(Profile, plain, path)


def _read_json(path: Path) -> dict[str, Any]:
    """The fields of a profile.json whose version this dsprof reads."""
    try:
        plain: Any = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise ProfileError(
            f"{path}, line {error.lineno}: {error.msg}. The file is left as it is; "
            "restore it, or record the profile again."
        ) from error
    version = plain.pop("schema_version", None) if isinstance(plain, dict) else None
    if version not in READABLE_VERSIONS:
        readable = ", ".join(map(str, READABLE_VERSIONS))
        raise ProfileError(
            f"{path}: schema version {version!r}; this dsprof reads {readable}. "
            "Read it with the dsprof that wrote it."
        )
    fields: dict[str, Any] = plain
    return fields


def _decode(record: type[Record], plain: object, path: Path) -> Record:
    try:
        return from_plain(record, plain)
    except PlainError as error:
        raise ProfileError(f"{path}: {error}. The file is left as it is.") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProfileError(
            f"No profile at {path.parent}: {path.name} is missing. "
            f"Make one with: dsprof time --output {path.parent}."
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ProfileError(
            f"{path}, line {line}: not UTF-8 text. The file is left as it is."
        ) from error


def _journal_frame(path: Path) -> "pd.DataFrame":
    import pandas as pd

    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    entries = [json.loads(line) for line in lines[:-1]]  # the last one may be cut off
    frame = pd.DataFrame(entries, columns=["label", "cache", "time_us"])
    frame["sample"] = frame["time_us"].map(lambda times: list(range(len(times))))
    exploded = frame.explode(["sample", "time_us"])
    return exploded[["label", "cache", "sample", "time_us"]].astype(
        {"sample": "uint16", "time_us": "float32"}
    )
