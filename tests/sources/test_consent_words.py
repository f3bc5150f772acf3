"""What a cell of a consent column says of a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.sources import consent
from cleverreach_async.sources.consent import ANY_TEXT, CONSENT_TARGETS, REASONS, read_word
from cleverreach_async.sources.headers import fold

YES = """
    yes|Yes|YES|y|ja|Ja|J|oui|si|sí|sì|sim|tak|true|TRUE|True|t|wahr|WAHR|vrai|vero|1|1.0|x|X|on|an
    ok|✓|✔|✔️|☑
"""
NO = """
    no|No|NO|n|N|nein|Nein|non|não|nie|never|false|FALSE|False|f|falsch|FALSCH|faux|falso|0|0.0|off
    aus|✗|✘|☐
"""
EMPTY = [
    *("", " ", "\t", "\u00a0", "-", "\u2013", " \u2014", "_", ".", "NULL", "null", "None", "nil"),
    *(r"\N", "NaN", "NaT", "<NA>", "n/a", "N/A", "n.a.", "#N/A", "#NV", "k.A.", "keine Angabe"),
    "not set",
]

OF_PERSON = {
    "": """
        subscribed|Subscribed|SUBSCRIBED|subscribe|opted in|optIn|opt-in|OPT_IN|direct|double opt-in
        Single Opt-In|angemeldet|eingetragen|abonniert|Abonnent|soft bounce|Soft-Bounced
    """,
    "pending": """
        pending|Pending|unconfirmed|not confirmed|Not Activated|waiting|awaiting confirmation
        unbestätigt|unbestaetigt|nicht bestätigt|ausstehend|DOI pending|double_opt_in_pending
        Opt-in schwebend
    """,
    "unsubscribed": """
        unsubscribed|UNSUBSCRIBED|Unsubscribe|optOut|opted out|opt-out|cancelled|canceled|removed
        revoked|withdrawn|deactivated|abgemeldet|Abgemeldet|abbestellt|ausgetragen|widerrufen
        gekündigt|deaktiviert
    """,
    "not_subscribed": """
        not subscribed|non-subscribed|NonSubscribed|never_subscribed|NEVER_SUBSCRIBED|transactional
        no consent|keine Einwilligung|nicht angemeldet
    """,
    "not_stated": "unknown|unbekannt",
    "bounced": "bounced|Bounce|hard bounce|HardBounce|HARD_BOUNCE|cleaned|undeliverable|held",
    "blacklisted": """
        blacklisted|blocklisted|blocked|suppressed|USER_SUPPRESSED|banned|gesperrt|Sperrliste
        do not contact
    """,
    "complained": """
        complained|complaint|spam|Spam complaint|marked as spam|abuse|abused|unerwünscht
    """,
    "deleted": "deleted|gelöscht|trashed|trash",
    "inactive": "archived|archiviert|expired",
}
OF_SUBJECT = {
    "": "active|Aktiv|enabled|accepted|granted|confirmed|verified|bestätigt|erteilt|erlaubt|valid",
    "pending": "offen",
    "not_subscribed": "denied|declined|rejected|disabled|abgelehnt|not allowed",
    "bounced": "invalid|ungültig",
    "inactive": "inactive|inaktiv",
}


def split(text: str) -> list[str]:
    """Return the words of a list."""
    return [word.strip() for line in text.splitlines() if line.strip() for word in line.split("|")]


def pairs(words: dict[str, str]) -> list[tuple[str, str]]:
    """Return words with their meaning."""
    return [(word, meaning) for meaning, text in words.items() for word in split(text)]


@pytest.mark.parametrize("word", split(YES))
def test_yes(word: str) -> None:
    """Yes to the header's question."""
    assert read_word(word, "subscribed") == ""
    assert read_word(word, "unsubscribed") == "unsubscribed"


@pytest.mark.parametrize("word", split(NO))
def test_no(word: str) -> None:
    """No to the header's question."""
    assert read_word(word, "subscribed") == "not_subscribed"
    assert read_word(word, "unsubscribed") == ""


@pytest.mark.parametrize("word", EMPTY)
def test_an_empty_cell(word: str) -> None:
    """It does not say that somebody is subscribed, nor that they have left."""
    assert read_word(word, "subscribed") == "not_stated"
    assert read_word(word, "unsubscribed") == ""


@pytest.mark.parametrize(("word", "meaning"), pairs(OF_PERSON))
def test_a_status_means_the_same_everywhere(word: str, meaning: str) -> None:
    """Somebody may map the column of a status to either target."""
    assert read_word(word, "subscribed") == meaning
    assert read_word(word, "unsubscribed") == meaning


@pytest.mark.parametrize(("word", "meaning"), pairs(OF_SUBJECT))
def test_a_word_that_depends_on_the_header(word: str, meaning: str) -> None:
    """The word "active" means another thing in a column "Opt-out" than in one "Newsletter"."""
    assert read_word(word, "subscribed") == meaning
    assert read_word(word, "unsubscribed") is None


@pytest.mark.parametrize("target", CONSENT_TARGETS)
@pytest.mark.parametrize(
    "text",
    [
        *("2", "-1", "+1", "01", "10", "1.5", "1,0", "1e0", "vielleicht", "maybe", "?", "Kiel"),
        *(
            "2024-02-01",
            "01.02.2024 10:00",
            "1706745600",
            "0000-00-00",
            "ann@example.org",
            "yes!no",
        ),
    ],
)
def test_other_text_is_not_known(text: str, target: str) -> None:
    """The caller tries it as a time, and rejects the row otherwise."""
    assert read_word(text, target) is None


def test_special_words_of_a_header_come_first() -> None:
    """Numbers of a shop, the reason of a yes, an empty cell, and any other text."""
    magento = {"1": "", "2": "pending", "3": "unsubscribed"}
    assert [read_word(text, "subscribed", magento) for text in ("1", "2", "3.0", "4", "no")] == [
        *("", "pending", "unsubscribed", None, "not_subscribed")
    ]
    bounced = {"yes": "bounced", "": "", ANY_TEXT: "bounced"}
    assert [read_word(t, "unsubscribed", bounced) for t in ("Yes", "no", " ", "Mailbox full")] == [
        *("bounced", "", "", "bounced")
    ]
    assert read_word("\\N", "subscribed", {"": "pending"}) == "pending"


KNOWN = [
    *(*consent.YES_WORDS, *consent.NO_WORDS),
    *(fold(word) for words in (OF_PERSON, OF_SUBJECT) for word, _ in pairs(words)),
]


@given(st.sampled_from(KNOWN), st.sampled_from(CONSENT_TARGETS), st.data())
def test_case_and_blanks_do_not_matter(word: str, target: str, data: st.DataObject) -> None:
    """Nor do underscores and hyphens between letters."""
    written = word
    if word.isalpha():
        letters = [data.draw(st.sampled_from([letter, letter.upper()])) for letter in word]
        between = data.draw(st.sampled_from(["", " ", "_", "-"]))
        written = between.join(letters) if len(word) > 1 else letters[0]
    blank = data.draw(st.sampled_from(["", " ", "\t", "\u00a0"]))
    assert read_word(blank + written + blank, target) == read_word(word, target)


@given(
    st.text() | st.from_regex(r"[-+]?[0-9]*[.,]?[0-9]*", fullmatch=True),
    st.sampled_from(CONSENT_TARGETS),
    st.dictionaries(st.sampled_from(["1", "yes", ANY_TEXT, ""]), st.sampled_from([*REASONS, ""])),
)
def test_any_text_has_an_answer(text: str, target: str, words: dict[str, str]) -> None:
    """Nothing is raised, and every answer is known."""
    assert read_word(text, target, words) in {None, "", "pending", *REASONS}


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    """Otherwise the same header would be recognised in one place and not in another."""
    folded = fold(text)
    assert fold(folded) == folded
    assert folded.isalnum() or not folded


def test_every_reason_is_part_of_a_sentence() -> None:
    """They are used in messages."""
    for word in KNOWN:
        for target in CONSENT_TARGETS:
            assert read_word(word, target) in {None, "", "pending", *REASONS}
    assert all(reason.startswith("the row ") for reason in REASONS.values())
