import csv
import gzip
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.name_normal import normalize
from dsprof.analysis.names import (
    UNKNOWN_LIBRARY,
    Family,
    NamePattern,
    matching_pattern,
    name_kernel,
    name_patterns,
)

NAMES = Path(__file__).parents[1] / "data" / "kernel_names.csv"
SAMPLES = Path(__file__).parents[2] / "../shared/samples"

# Kernels that an application brought itself: nobody can tell a library from these.
APPLICATION_KERNELS = {
    *("mathKernel1", "mathKernel2", "mathKernel3", "warmingUp", "saxpy"),
    *("one_blocktiling", "two_blocktiling", "vectorized_blocktiling", "warptiling"),
}


def real_names() -> list[dict[str, str]]:
    with NAMES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "row", real_names(), ids=lambda row: f"{row['library']}-{row['friendly']}"
)
def test_a_real_kernel_has_its_library_friendly_name_and_family(
    row: dict[str, str],
) -> None:
    named = name_kernel(row["name"])
    assert named.library == row["library"]
    assert named.friendly == row["friendly"]
    assert named.family == Family(row["family"])
    assert named.description
    assert "{" not in named.friendly + named.description


def test_unknown_real_kernels_are_those_of_applications() -> None:
    unknown = {
        name_kernel(row["name"]).friendly
        for row in real_names()
        if row["library"] == UNKNOWN_LIBRARY
    }
    assert unknown == APPLICATION_KERNELS


def test_a_copy_that_is_not_vectorized_is_not_called_so() -> None:
    vectorized, plain = (
        name_kernel(
            f"void at::native::<unnamed>::CatArrayBatchedCopy{form}<at::native::"
            "<unnamed>::OpaqueType<(unsigned int)2>, unsigned int, (int)4, (int)64, "
            "(int)64>(T1 *, int)"
        )
        for form in ("_vectorized", "")
    )
    assert vectorized.friendly == "Cat Batched Copy (vec, 64-tile)"
    assert plain.friendly == "Cat Batched Copy (64-tile)"


def test_a_name_that_no_pattern_knows_keeps_its_head() -> None:
    named = name_kernel("void mine::solve<(int)4, float>(float *, <unnamed>::thing)")
    assert named.library == "unknown"
    assert named.friendly == "mine::solve"
    assert named.family is Family.OTHER


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("one_kernel", "Triton"),
        ("one_kernel(float *)", "unknown"),
        ("reduce_kernel", "PyTorch ATen"),
        ("void reduce_kernel<(int)4>(float *)", "unknown"),
        ("at::native::reduce_kernel<(int)4>(float *)", "PyTorch ATen"),
    ],
)
def test_a_plain_name_is_not_taken_for_a_function_of_the_same_name(
    name: str, library: str
) -> None:
    assert name_kernel(name).library == library


def test_a_name_inside_the_arguments_does_not_decide_the_library() -> None:
    named = name_kernel("void mine::run<at::native::MulFunctor<float>>(float *)")
    assert named.library == UNKNOWN_LIBRARY


@pytest.mark.parametrize(
    ("argument", "library", "family"),
    [
        (
            "flash::enable_sm90<flash::FlashAttnFwdSm90<int>>",
            "FlashAttention 3",
            "attention",
        ),
        ("cutlass::gemm::kernel::GemmUniversal<int>", "CUTLASS", "GEMM"),
        (
            "cutlass::fmha::kernel::FmhaMlaReductionKernel<int>",
            "CUTLASS",
            "attention",
        ),
    ],
)
def test_a_cutlass_device_kernel_is_what_its_argument_is(
    argument: str, library: str, family: str
) -> None:
    named = name_kernel(f"void cutlass::device_kernel<{argument}>(T1::Params)")
    assert (named.library, named.family) == (library, family)


@pytest.mark.parametrize(
    "pattern", name_patterns(), ids=lambda pattern: pattern.friendly
)
def test_no_entry_is_hidden_by_one_before_it(pattern: NamePattern) -> None:
    assert matching_pattern(pattern.example) is pattern
    named = name_kernel(pattern.example)
    assert named.library == pattern.library
    assert "{" not in named.friendly + named.description


@given(st.one_of(st.text(), st.sampled_from([row["name"] for row in real_names()])))
def test_any_name_has_an_answer_and_its_normal_form_the_same(name: str) -> None:
    assert name_kernel(name) == name_kernel(normalize(name))


def test_ten_thousand_names_are_read_within_four_seconds() -> None:
    rows = real_names()
    started = time.process_time()
    for index in range(10_000):
        name_kernel(rows[index % len(rows)]["name"] + f" {index % 1000}")
    assert time.process_time() - started < 4


def sample_names() -> Iterator[str]:
    for path in sorted(SAMPLES.rglob("*.sqlite")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            query = (
                "SELECT DISTINCT value FROM CUPTI_ACTIVITY_KIND_KERNEL "
                "JOIN StringIds ON id IN (demangledName, shortName)"
            )
            yield from (value for (value,) in database.execute(query))
    for path in sorted(SAMPLES.rglob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        yield from (event["name"] for event in events if event.get("cat") == "kernel")
    for path in sorted(SAMPLES.rglob("*.kernel_summary.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (row["Kernel name"] for row in csv.DictReader(file))
    import ncu_report

    for path in sorted(SAMPLES.rglob("*.ncu-rep")):
        report = ncu_report.load_report(str(path))
        for index in range(report.num_ranges()):
            part = report.range_by_idx(index)
            for launch in range(part.num_actions()):
                action = part.action_by_idx(launch)
                yield action.name(ncu_report.IAction.NameBase_DEMANGLED)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample files here")
def test_every_kernel_of_the_sample_files_is_among_the_real_names() -> None:
    known = {row["name"] for row in real_names()}
    found = set(sample_names())
    assert len(found) > 70
    assert found <= known
