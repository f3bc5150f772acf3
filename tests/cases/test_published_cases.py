"""Every file and call that once went wrong has the right result."""

from pathlib import Path

import pytest
from cases.case_files import FILES
from cases.published_cases import CASES, Case, result_of


# The generators of httpx cannot be closed from outside when a response is discarded.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_result_is_right(case: Case, anyio_backend: str) -> None:
    """In an empty account, unless the case says otherwise."""
    assert case.expected == result_of(case, backend=anyio_backend)


def test_every_file_is_used() -> None:
    """None is forgotten."""
    names = {case.name.partition(",")[0] for case in CASES}
    assert {path.name for path in FILES.iterdir()} <= names
    assert Path(__file__).with_name("files") == FILES


def test_names_are_unique() -> None:
    """A failure names one case."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
