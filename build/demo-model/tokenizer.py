"""The demo model's own byte-level BPE, trained on its corpus, so that JSON punctuation and tool declarations are cheap."""

import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# Part of the vocabulary but no control tokens: decoding with skip_special_tokens must not drop them.
MARKERS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
VOCABULARY = 1536

# A blank before a capital stands alone, so that "in Paris" and "\"Paris\"" hold the same tokens and an argument is copied one
# to one; punctuation runs over single blanks, so that `": {"` can be one token; digits stand alone.
SPLIT = (r"'(?i:s|t|re|ve|m|ll|d)(?!\p{L})| (?=\p{Lu})|[ _]?\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{Lt}\p{M}]+|[ _]?\p{Lu}+|\p{N}|"
         r" ?[^\s\p{L}\p{N}]+(?: [^\s\p{L}\p{N}]+)*[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def train(texts, vocabulary: int = VOCABULARY) -> Tokenizer:
    """A tokenizer of exactly `vocabulary` entries: control tokens first, then the markers, bytes and merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[AddedToken(t, normalized=False) for t in CONTROL + MARKERS],
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator((piece for text in texts for piece in split_markers(text)), trainer)
    described = json.loads(tokenizer.to_str())
    for token in described["added_tokens"]:  # the trainer makes them all special
        token["special"] = token["content"] in CONTROL
    tokenizer = Tokenizer.from_str(json.dumps(described))
    if tokenizer.get_vocab_size() != vocabulary:
        raise SystemExit(f"The corpus gave {tokenizer.get_vocab_size()} tokens where {vocabulary} were wanted; give more text.")
    return tokenizer


def split_markers(text: str) -> list:
    """The text between the added tokens: merges are never learned across them."""
    for marker in CONTROL + MARKERS:
        text = text.replace(marker, "\0")
    return [piece for piece in text.split("\0") if piece]


def from_corpus(seed: int, samples: int = 30_000) -> Tokenizer:
    """The tokenizer of the corpus's first samples under this seed."""
    import corpus
    r = random.Random(seed)
    return train(s.prompt + s.answer for s in (corpus.sample(r) for _ in range(samples)))
