"""What once went wrong in silence, each with the right result.

``python tests/cases/published_cases.py`` shows what became of each.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import case_answers, case_files, case_hostile, case_mistakes, case_use, case_writes
from cases.registry import CASES, Case, result_of

__all__ = ["CASES", "KINDS", "Case", "result_of"]

KINDS = (case_files, case_writes, case_answers, case_hostile, case_use, case_mistakes)
"""Each registers its cases, which are of one kind."""


def show() -> int:
    """Print every case by kind; returns how many are not right."""
    wrong = 0
    for kind in KINDS:
        print(f"\n{kind.__doc__}\n")  # noqa: T201
        for chosen in CASES:
            if chosen.kind == kind.__name__:
                found = result_of(chosen)
                is_right = found == chosen.expected
                wrong += not is_right
                word = "right" if is_right else "WRONG"
                print(f"{word}  {chosen.name}: {chosen.right}\n       {found}")  # noqa: T201
    return wrong


if __name__ == "__main__":
    sys.exit(show() > 0)
