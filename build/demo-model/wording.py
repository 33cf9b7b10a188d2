"""How people really type: a small expander for alternatives, and the noise of casing, fillers and typos."""

import random
import re

GROUP = re.compile(r"\(([^()]*)\)")

PREFIXES = ["please ", "hey, ", "hi, ", "so ", "ok, ", "can you tell me ", "could you tell me ", "tell me ", "i want to know ",
            "do you know ", "quick question: ", "just wondering, ", "one question: ", "well, ", "sorry, ", "now ", "and ", "then ",
            "i would like to know ", "help me: ", "please tell me ", "question: ", "hello, ", "um, ", "ok so ", "my friend asks: ",
            "i forgot, ", "remind me, ", "by the way, ", "excuse me, ", "any idea ", "i wonder "]
SUFFIXES = [" please", " thanks", ", please", ", thank you", " then", " again", " by the way", ", do you know it", ", can you tell me",
            " now", " for me", ", i forgot", " exactly", ", quickly", " anyway", " if you know", ", my friend", " today"]
FILLERS = ["actually", "really", "just", "maybe", "um", "exactly", "then", "so", "now", "well", "again", "please", "kindly", "the", "is", "of", "a"]
GLUE = set("the a an is of do does what which who how that it in to for i you me can are my would s be at on by and".split())
NEIGHBOURS = {k: v for k, v in zip("qwertyuiopasdfghjklzxcvbnm", ["wa", "qe", "wr", "et", "ry", "tu", "yi", "uo", "ip", "o", "qs", "ad", "sf",
              "dg", "fh", "gj", "hk", "jl", "k", "x", "zc", "xv", "cb", "vn", "bm", "n"])}


def expand(r: random.Random, form: str) -> str:
    """One way through a form: "(a|b|) c|d" is "a c", "b c", "c" or "d". Groups nest."""
    form = f"({form})"
    while found := GROUP.search(form):
        form = form[:found.start()] + r.choice(found.group(1).split("|")) + form[found.end():]
    return re.sub(" +", " ", form).strip()


def typo(r: random.Random, word: str) -> str:
    """One slip of the finger inside a word; the first letter stays."""
    if len(word) < 4 or not word.isalpha():
        return word
    i = r.randrange(1, len(word) - 1)
    kind = r.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1] + word[i] + word[i + 2:]
    if kind == 1:
        return word[:i] + word[i + 1:]
    if kind == 2:
        return word[:i] + word[i] + word[i:]
    return word[:i] + r.choice(NEIGHBOURS.get(word[i].lower(), "e")) + word[i + 1:]


def shuffle(r: random.Random, text: str) -> str:
    """The telling words of a question alone, as one types into a search box, in any order."""
    words = [w for w in re.sub(r"[?,.!]", " ", text).split() if w.lower() not in GLUE or r.random() < 0.2]
    if r.random() < 0.5:
        r.shuffle(words)
    return " ".join(words) or text


def noisy(r: random.Random, text: str, keep: bool = False, order: bool = False) -> str:
    """A question as typed: fillers, casing, punctuation, typos. With `keep` no letter of a word is touched (an argument must
    be copied); with `order` the words' order carries meaning, so that they are never shuffled."""
    if not order and not keep and r.random() < 0.12:
        text = shuffle(r, text)
    if r.random() < 0.22:
        text = r.choice(PREFIXES) + text
    if r.random() < 0.15:
        text = text + r.choice(SUFFIXES)
    if r.random() < 0.12:
        words = text.split(" ")
        words.insert(r.randrange(len(words)), r.choice(FILLERS))
        text = " ".join(words)
    if not keep and r.random() < 0.10:
        words = text.split(" ")
        glue = [i for i, w in enumerate(words) if w.lower() in GLUE]
        if len(words) > 3 and glue:
            del words[r.choice(glue)]
            text = " ".join(words)
    if not keep and r.random() < 0.22:
        words = text.split(" ")
        for _ in range(r.choice((1, 1, 2))):
            i = r.randrange(len(words))
            words[i] = typo(r, words[i])
        text = " ".join(words)
    case = r.random()
    if case < 0.45:
        text = text[:1].upper() + text[1:]
    elif case < 0.70:
        text = text.lower()
    elif case < 0.75 and not keep:
        text = text.upper()
    return text + r.choice(["?", "?", "?", "", "", ".", "!", "??", " ?", "..."])
