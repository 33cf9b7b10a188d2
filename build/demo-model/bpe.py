"""A byte-level BPE in plain Python, for models that need a working tokenizer and no training libraries."""

import collections
import re

# Close to the pattern that GenAI uses for GGUFs of the "qwen2" kind, on ASCII letters.
WORDS = re.compile(r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n0-9A-Za-z]?[A-Za-z]+|[0-9]|"
                   r" ?[^\s0-9A-Za-z]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_letters() -> dict:
    """The printable letter that stands for each byte in a byte-level vocabulary."""
    letters = {b: chr(b) for b in [*range(33, 127), *range(161, 173), *range(174, 256)]}
    missing = [b for b in range(256) if b not in letters]
    return letters | {b: chr(256 + i) for i, b in enumerate(missing)}


def token_bytes(token: str) -> bytes:
    """The bytes that a token of such a vocabulary stands for; a letter of no byte counts as 0."""
    back = {letter: b for b, letter in byte_letters().items()}
    return bytes(back.get(letter, 0) for letter in token)


def train(text: str, size: int, most_merges: int, control: list):
    """(vocabulary, merges): the 256 bytes, at most that many merges, fillers named <|unusedN|>, then the control tokens: `size` in all."""
    letters = byte_letters()
    words = [[list(word), n] for word, n in collections.Counter("".join(letters[b] for b in w.encode()) for w in WORDS.findall(text)).items()]
    vocabulary, merges = [letters[b] for b in range(256)], []
    while len(merges) < min(most_merges, size - 256 - len(control)):
        pairs = collections.Counter()
        for word, n in words:
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        (a, b), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append((a, b))
        vocabulary.append(a + b)
        for entry in words:
            word, i = entry[0], 0
            while i < len(word) - 1:
                if word[i] == a and word[i + 1] == b:
                    word[i:i + 2] = [a + b]
                else:
                    i += 1
    vocabulary += [f"<|unused{i}|>" for i in range(size - len(vocabulary) - len(control))]
    return vocabulary + control, merges
