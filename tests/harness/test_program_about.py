import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.program_about import read_about


def written(folder: Path, text: str) -> Path:
    file = folder / "run.out"
    file.write_text(text)
    return file


def test_a_program_that_says_nothing_of_itself_has_no_fields(tmp_path: Path) -> None:
    assert read_about(tmp_path / "absent") == {}
    assert read_about(written(tmp_path, "tokens: 3\n{not json}\n[1, 2]\n")) == {}


def test_the_last_object_among_other_lines_counts(tmp_path: Path) -> None:
    text = 'start\n{"model": "a"}\n{"model": "b", "layers": 4}\n[2/2] 100%\n'
    assert read_about(written(tmp_path, text)) == {"model": "b", "layers": "4"}


def test_inner_objects_and_lists_become_text(tmp_path: Path) -> None:
    told = {
        "versions": {"torch": "2.11", "cuda": None},
        "prompt_tokens": [5, 6],
        "sampled": False,
        "rows": [{"a": 1}],
        "notes": ["One thing.", "And another."],
    }
    assert read_about(written(tmp_path, json.dumps(told))) == {
        "versions.torch": "2.11",
        "prompt_tokens": "5, 6",
        "sampled": "no",
        "notes": "One thing. And another.",
    }


@given(st.text())
def test_whatever_a_program_prints_is_read(tmp_path_factory: object, text: str) -> None:
    folder = tmp_path_factory.mktemp("about")  # type: ignore[attr-defined]
    file = folder / "run.out"
    file.write_text(text, encoding="utf-8", errors="replace", newline="")
    for key, value in read_about(file).items():
        assert (type(key), type(value)) == (str, str)
