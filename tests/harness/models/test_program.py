import json
import subprocess
import sys

import pytest

pytest.importorskip("transformers")

from dsprof.harness.models.job import ModelJob, ModelName
from dsprof.harness.models.program import (
    attached_profiler,
    command_line,
    run,
    summary,
    unlike_warm_up,
)


@pytest.mark.slow  # imports torch and transformers once more
def test_the_program_prints_one_line_of_json() -> None:
    job = ModelJob(
        model=ModelName.DEEPSEEK_V3,
        layers=2,
        prompt_tokens=8,
        decode_tokens=3,
        device="cpu",
        tiny=True,
    )
    done = subprocess.run(command_line(job), capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert found["model"] == "deepseek-v3"
    assert found["size"] == "1 dense + 1 MoE of 61 layers, toy sizes"
    assert found["prompt_tokens"] == [8]
    assert found["decode_steps"] == 2
    assert found["decode_tokens_per_s"] == pytest.approx(2 / found["decode_s"])
    assert found["versions"]["transformers"] == "5.17.0"
    assert found["peak_memory_bytes"] is None


def test_an_error_is_one_line_and_its_exit_code() -> None:
    command = [sys.executable, "-P", "-m", "dsprof.harness.models.program"]
    command += ["deepseek-v3", "--layers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "dsprof: --layers is 0; it has to be at least 1.\n"


def test_every_page_is_read_and_continued() -> None:
    job = ModelJob(
        model=ModelName.DEEPSEEK_OCR2,
        pages=2,
        decode_tokens=4,
        device="cpu",
        tiny=True,
    )
    done = run(job)
    # 6 and 2 tiles of 144 tokens, the page's 144, the separator, and 12 of text.
    assert done.prompt_tokens == (1021, 445)
    assert done.sequences == 2
    assert done.decode_steps == 3
    assert min(done.prefill_s, done.decode_s) > 0
    assert summary(done)["notes"] == list(done.notes)


def test_a_profiler_is_known_by_its_variables() -> None:
    assert attached_profiler({}) == ""
    assert attached_profiler({"NSYS_PROFILING_SESSION_ID": "1"}) == "nsys"
    assert attached_profiler({"NV_COMPUTE_PROFILER_PERFWORKS_DIR": "/x"}) == "ncu"


def test_rows_that_did_not_repeat_are_counted() -> None:
    warm = [[1, 2], [3, 4], [5, 6]]
    assert unlike_warm_up([[1, 2, 7], [3, 4, 8], [5, 6, 9]], warm) == ()
    (note,) = unlike_warm_up([[1, 2, 7], [3, 5, 8], [5, 6, 9]], warm)
    assert note.startswith("1 of 3 rows began with other tokens")
