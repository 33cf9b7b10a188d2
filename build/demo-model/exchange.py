"""One question of the domain and the forms its answer may take."""

from typing import NamedTuple


class Exchange(NamedTuple):
    """One question and what may be answered: a sentence, one word, a JSON value; `thought` is what is thought before.
    `word` is None where one word cannot answer."""
    question: str
    sentence: str
    word: str | None
    value: object
    thought: str
