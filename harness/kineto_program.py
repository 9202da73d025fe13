"""Runs a Python program under torch.profiler and writes its Kineto trace.

``python -P kineto_program.py OUT.json.gz [--range NAME]... [--safe-path] --
(SCRIPT | -m MODULE | -c CODE) ARGUMENT...`` is started by path in the program's own
interpreter, so nothing but torch need be installed there. With ranges, the profiler
starts where the first of them begins: a trace of everything before would be large.
"""

import argparse
import os
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

NO_RANGE = "dsprof: no record_function range"
MOST_NAMES = 12  # that a message lists


class Recorder:
    """torch.profiler, started at once or when a wanted range begins."""

    def __init__(self, wanted: Sequence[str]) -> None:
        import torch

        self._wanted = frozenset(wanted)
        self._profiler: torch.profiler.profile | None = None
        self.seen: Counter[str] = Counter()
        if not wanted:
            self.start()

    def start(self) -> None:
        import torch

        activities = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self._profiler = torch.profiler.profile(activities=activities)
        self._profiler.start()

    def begin(self, name: str) -> None:
        """Take notice of a range that is about to begin."""
        self.seen[name] += 1
        if self._profiler is None and name in self._wanted:
            self.start()

    def finish(self, trace: str) -> None:
        """Write the trace, or say which ranges there were."""
        import torch

        if self._profiler is None:
            listed = ", ".join(
                f"'{name}' ({count})" for name, count in self.seen.most_common()
            )
            names = ", ".join(f"'{name}'" for name in sorted(self._wanted))
            sys.stderr.write(f"{NO_RANGE} {names} began. Seen: {listed or 'none'}.\n")
            return
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self._profiler.stop()
        self._profiler.export_chrome_trace(trace)


def watch_ranges(begin: Callable[[str], None]) -> None:
    """Have ``begin`` called before each record_function range of this process."""
    from torch.autograd.profiler import record_function

    enter: Callable[[Any], Any] = record_function.__enter__

    def watched(self: Any) -> Any:  # noqa: ANN401 -- torch's own
        begin(self.name)
        return enter(self)

    record_function.__enter__ = watched  # type: ignore[method-assign]


def run_program(words: Sequence[str], *, safe_path: bool) -> None:
    """Run a program as ``python WORDS...`` does."""
    kind, *rest = words
    if kind == "-m":
        module, *arguments = rest
        sys.argv = [module, *arguments]
        _put_on_path(str(Path.cwd()), safe_path=safe_path)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        code, *arguments = rest
        sys.argv = ["-c", *arguments]
        _put_on_path("", safe_path=safe_path)
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 -- python -c
    else:
        sys.argv = list(words)
        _put_on_path(str(Path(kind).resolve().parent), safe_path=safe_path)
        runpy.run_path(kind, run_name="__main__")


def _put_on_path(folder: str, *, safe_path: bool) -> None:
    if not safe_path:
        sys.path.insert(0, folder)


def main() -> None:
    split = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("trace")
    parser.add_argument("--range", action="append", default=[])
    parser.add_argument("--safe-path", action="store_true")
    options = parser.parse_args(sys.argv[1:split])
    words = sys.argv[split + 1 :]
    # The program may change the folder.
    trace = os.path.abspath(options.trace)  # noqa: PTH100 -- no link is to be resolved
    recorder = Recorder(options.range)
    watch_ranges(recorder.begin)
    try:
        run_program(words, safe_path=options.safe_path)
    finally:
        recorder.finish(trace)


if __name__ == "__main__":
    main()
