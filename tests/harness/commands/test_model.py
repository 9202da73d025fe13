import json
import shlex

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.commands.model import lines
from dsprof.harness.errors import EnvironmentLacksError, UsageError
from dsprof.harness.models.job import DecodeMode, ModelJob, ModelName, job_of
from tests.harness.models.test_job import make_run


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["model", *arguments])


def test_the_command_that_is_printed_runs_the_same_job() -> None:
    outcome = invoke(
        *("deepseek-v3", "--graph", "--layers", "6", "--batch-size", "8"),
        "--print-command",
    )
    python, *arguments = shlex.split(outcome.output)
    assert python.endswith(("python", "python3", "python3.11", "python3.12"))
    assert arguments[:3] == ["-P", "-m", "dsprof.harness.models.program"]
    assert job_of(arguments[3:]) == ModelJob(
        model=ModelName.DEEPSEEK_V3, mode=DecodeMode.GRAPH, layers=6, batch_size=8
    )


def test_a_run_is_told_in_a_few_lines() -> None:
    assert lines(make_run(notes=("Token ids are made up.",))) == [
        "deepseek-ocr2: toy",
        "weights      1,500 million, random BF16, 3.0 GiB",
        "input        2 x batch 1 x 557 to 1,133 tokens",
        "mode         eager; experts eager, attention sdpa, DynamicCache",
        "prefill      500.0 ms, 3,380 tokens/s",
        "decode       1,260.0 ms for 126 steps, 10.00 ms each, 100.0 tokens/s",
        "peak memory  4.0 GiB",
        "on           Toy GPU; torch 2.11.0, transformers 5.17.0",
        "note         Token ids are made up.",
    ]


def test_times_under_a_profiler_say_so() -> None:
    assert any("under        nsys" in line for line in lines(make_run(profiler="nsys")))


def test_a_toy_model_runs_without_a_gpu() -> None:
    pytest.importorskip("transformers")
    outcome = invoke(
        *("deepseek-v3", "--tiny", "--device", "cpu", "--layers", "2"),
        *("--prompt-tokens", "4", "--decode-tokens", "2", "--json"),
    )
    assert outcome.exception is None
    assert json.loads(outcome.output)["decode_tokens"] == 2


def test_a_model_that_does_not_fit_is_refused_before_it_is_made() -> None:
    pytest.importorskip("transformers")
    outcome = invoke("deepseek-v3", "--device", "cpu", "--layers", "61")
    assert isinstance(outcome.exception, EnvironmentLacksError)
    # 671 billion parameters of two bytes are 1,249.9 GiB.
    assert "1249.9 of weights" in str(outcome.exception)


def test_sizes_and_options_that_a_model_does_not_have_are_refused() -> None:
    assert invoke("deepseek-v3", "--layers", "0").exit_code == 2
    assert invoke("deepseek-v3", "--pages", "2").exit_code == 2
    assert invoke("deepseek-ocr2", "--layers", "2").exit_code == 2
    outcome = invoke("deepseek-ocr2", "--graph", "--device", "cpu")
    assert isinstance(outcome.exception, UsageError)
