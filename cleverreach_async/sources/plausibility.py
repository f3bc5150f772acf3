"""How plausible a reading of bytes is: letters fit their neighbours, signs stand where they belong.

The result is a cost. Below 10 a letter is ordinary, from about 12 on it is a wrong reading, such as
the section sign in ``Stra§e`` or the capital letter in ``MŸller``. Pure functions on text.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from cleverreach_async.sources.alphabets import EDGE, alphabet

__all__ = ["reading_cost"]

_RARITY_COSTS: Final = (1.0, 3.0, 5.0, 7.0)
_NEIGHBOUR_COSTS: Final = (1.0, 2.5, 4.5)
_STRANGE_NEIGHBOUR: Final = 7.0
_STRANGE_EDGE: Final = 5.0
_STRANGE_LETTER: Final = 14.0
_WRONG_SIGN: Final = 13.0
_UNUSED: Final = 16.0

_SIGNS_IN_WORDS: Final = frozenset("ªºˆ˜ƒ")
"""Letters for Unicode, but not of any word."""

_DIPHTHONG: Final = re.compile(r"(?:[ea][iu]|ie)$", re.IGNORECASE)
_ALL_UMLAUTS: Final = frozenset("äöüÄÖÜß")
"""In a row they are a sample of letters, as in ``äöü``, not a word."""

_ELISION: Final = re.compile(
    r"(?:^|[^a-z])(?:[dlnsmtcjo]|qu|mc)$|(?:ll|nn|nt|rd|st)$", re.IGNORECASE
)
"""Before an apostrophe: ``d’``, ``l’``, ``qu’``, ``all’``, ``O’``, ``aujourd’``."""

_COSTS_AFTER_WORDS: Final = (
    ("“”", 8.0),
    ("’»›…", 6.0),
    ("®™©–—·´`", 7.0),
    ("\xa0", 6.0),
)
_COSTS_BEFORE_WORDS: Final = (
    ("„“‚‘«‹”’»¿¡", 5.0),
    ("•·–—©®´`°", 7.0),
    ("\xa0", 3.0),
)
_COSTS_BESIDE_DIGITS: Final = (("€£", 1.0), ("½¼¾°²³–§±µ×%‰ªº\xa0", 3.0))
_SINGLE_SIGNS: Final = "–—€“”„•°§©®…«»´’·\xa0"


@lru_cache(maxsize=1 << 14)
def reading_cost(before: str, run: str, after: str, languages: Sequence[str]) -> float:
    """Return the cost of a run of characters that are not in ASCII, in the best language.

    Args:
        before: Up to three characters of ASCII before the run.
        run: The characters.
        after: Up to two characters of ASCII after it.
        languages: Names for :func:`~cleverreach_async.sources.alphabets.alphabet`.
    """
    if len(run) > 2 and _ALL_UMLAUTS.issuperset(run):  # noqa: PLR2004
        return 3.0 * len(run)
    text = before + run + after
    places = range(len(before), len(before) + len(run))
    return min(sum(_cost_at(text, place, language) for place in places) for language in languages)


def _cost_at(text: str, place: int, language: str) -> float:
    sign = text[place]
    if not _is_letter(sign):
        return _sign_cost(sign, text[:place], text[place + 1 :])
    before = text[place - 1] if place and _is_letter(text[place - 1]) else EDGE
    after = text[place + 1] if place + 1 < len(text) and _is_letter(text[place + 1]) else EDGE
    cost = _letter_cost(sign, before, after, language) + _case_cost(sign, before, after)
    # Weiß and Strauß in the encoding of DOS.
    return cost + 5 if sign == "á" and _DIPHTHONG.search(text[:place]) else cost


def _is_letter(sign: str) -> bool:
    return sign.isalpha() and sign not in _SIGNS_IN_WORDS


def _letter_cost(sign: str, before: str, after: str, language: str) -> float:
    letters = alphabet(language)
    letter = letters.get(sign) or letters.get(sign.lower())
    if letter is None:
        return _STRANGE_LETTER
    if not letter.before:
        mixed = sum(beside.isascii() and beside != EDGE for beside in (before, after))
        is_alone = before == after == EDGE
        return _RARITY_COSTS[letter.rarity] + 2 + 12 * (mixed + is_alone)
    return (
        _RARITY_COSTS[letter.rarity]
        + _neighbour_cost(letter.before, before.lower())
        + _neighbour_cost(letter.after, after.lower())
    )


def _neighbour_cost(neighbours: Mapping[str, int], beside: str) -> float:
    rarity = neighbours.get(beside)
    if rarity is not None:
        return _NEIGHBOUR_COSTS[rarity]
    return _STRANGE_EDGE if beside == EDGE else _STRANGE_NEIGHBOUR


def _case_cost(sign: str, before: str, after: str) -> float:
    """Return the cost of a capital inside a word, and of a small letter among capitals."""
    if sign.isupper():
        return 9.0 if before != EDGE and (before.islower() or after.islower()) else 0.0
    if sign == "ß" or not after.isupper():
        return 0.0
    return 8.0 if before == EDGE else 5.0 if before.isupper() else 0.0


def _sign_cost(sign: str, before: str, after: str) -> float:
    if "\x80" <= sign < "\xa0" or "\u2500" <= sign <= "\u25ff":
        return _UNUSED  # control characters and frames
    if before.rstrip(" ")[-1:].isdigit() or after.lstrip(" ")[:1].isdigit():
        cost = _listed_cost(_COSTS_BESIDE_DIGITS, sign)
        if cost is not None:
            return cost
    if before[-1:].isalpha():
        in_word = after[:1].isalpha()
        return _cost_in_word(sign, before, after) if in_word else _cost_after_word(sign, before[-1])
    return (
        _cost_before_word(sign, after[0])
        if after[:1].isalpha()
        else _cost_alone(sign, before, after)
    )


def _cost_alone(sign: str, before: str, after: str) -> float:
    if {before[-1:], after[:1]} & {"-", "'"}:
        return _WRONG_SIGN  # Pont-à-Mousson
    is_usual = sign in _SINGLE_SIGNS or (sign in "ªº" and before[-1:] == ".")
    return 3.0 if is_usual else 8.0


def _listed_cost(costs: Sequence[tuple[str, float]], sign: str) -> float | None:
    return next((cost for signs, cost in costs if sign in signs), None)


def _cost_in_word(sign: str, before: str, after: str) -> float:
    previous, following = before[-1], after[0]
    if sign in "’´`":
        return _apostrophe_cost(before, after)
    if sign == "·":  # paral·lel
        return 3.0 if previous in "lL" and following in "lL" else _WRONG_SIGN
    if sign in "–—\xa0":
        return 6.0 if following.isupper() else 10.0
    return 4.0 if sign == "\xad" else _WRONG_SIGN + 1


def _apostrophe_cost(before: str, after: str) -> float:
    if after[0].isupper() or after.rstrip() in {"s", "t"} or before[-1] + after[0] == "kn":
        return 3.0  # O’Brien, Anna’s, Rock’n’Roll
    if after[0] in "aeiouyh" and _ELISION.search(before):
        return 3.0 if before[-1].islower() else 6.0
    return 11.0


def _cost_after_word(sign: str, previous: str) -> float:
    if sign in "ªº°":
        return 4.0 if previous in "nNMDS" else 11.0
    if sign in "²³":
        return 3.0 if previous == "m" else 11.0
    cost = _listed_cost(_COSTS_AFTER_WORDS, sign)
    return _WRONG_SIGN if cost is None else cost


def _cost_before_word(sign: str, following: str) -> float:
    if sign in "…€£§†":
        return 7.0 if following.isupper() else 10.0
    cost = _listed_cost(_COSTS_BEFORE_WORDS, sign)
    return _WRONG_SIGN if cost is None else cost
