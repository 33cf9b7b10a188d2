#!/usr/bin/env python3
"""Train the demo model: `train.py FOLDER [--seed S] [--pause-file PATH]`.

FOLDER gets tokenizer.json, checkpoint.pt (every 200 steps; a second start carries on from it as if it had not stopped), log.txt
and at the end final.pt, which pack.py takes.
Data is drawn without end from corpus.py: piece k of the stream comes from Random(f"{seed}-{k}"), so a run is named by its seed.
Copying is drilled first. Loss counts on answers alone. While the pause file exists, nothing is computed."""

import argparse
import math
import os
import random
import time
from typing import NamedTuple

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus
import finishing
import tokenizer as vocabulary
from network import Network, Shape, wire_copying

TOKENS = 4096          # per step, padding included
PIECE = 1500           # samples generated and sorted by length at a time
FIRST_DRILL = 150      # steps at the start that learn nothing but copying
DRILL_TOKENS = 2048    # per step of drill
DRILL_EVERY = 10       # later steps that drill again
RATES, WARM = (0.01, 2e-3), 40  # highest learning rates of the matrices and of the rest


class Round(NamedTuple):
    """Steps that share a source of samples and a fall of the learning rate from `rate` of its peak to nearly nothing."""
    steps: int
    rate: float
    long_odds: float  # share of steps that learn long conversations, of these lengths in tokens
    lengths: tuple
    sample: object    # Random -> Sample
    long: object      # (Random, tokens) -> Sample


ROUNDS = [
    Round(8000, 1, 0.05, (1000, 1500, 2000, 3000, 3800), corpus.sample, corpus.long),
    Round(1200, 0.25, 0.25, (1500, 2500, 3300, 3800), lambda r: finishing.sample(r, 0.6), finishing.long),
    Round(900, 0.5, 0.12, (1500, 2500, 3300, 3800), lambda r: finishing.sample(r, 0.85), finishing.long),
    Round(900, 0.3, 0.1, (1500, 2500, 3300, 3800), lambda r: finishing.sample(r, 0.55), finishing.long),
    Round(700, 0.3, 0.08, (1500, 2500, 3300, 3800), lambda r: finishing.sample(r, 0.7, finishing.ASIDES), finishing.long),
]


class Reader:
    """The endless stream of batches. A batch is (ids, targets): targets are -100 where nothing is learned."""

    def __init__(self, tok: Tokenizer, seed: int, context: int):
        self.tok, self.seed, self.context = tok, seed, context
        self.start, self.end = tok.token_to_id("<|im_start|>"), tok.token_to_id("<|im_end|>")
        self.ordinary = len(vocabulary.CONTROL + vocabulary.MARKERS)
        self.assistant = tok.encode("assistant\n").ids

    def rows(self, samples):
        """Token ids and a flag for each whether it is to be predicted."""
        prompts = self.tok.encode_batch([s.prompt for s in samples])
        answers = self.tok.encode_batch([s.answer + "<|im_end|>" for s in samples])
        for s, p, a in zip(samples, prompts, answers):
            ids, n = p.ids + a.ids, len(self.assistant)
            learned = [False] * len(p.ids) + [True] * len(a.ids)
            if not s.last_only:
                on = False
                for i, t in enumerate(p.ids):
                    if t == self.start:
                        on = False
                    learned[i] = on
                    if t == self.end:
                        on = False
                    elif i >= n and p.ids[i - n + 1:i + 1] == self.assistant and p.ids[i - n] == self.start:
                        on = True
            if len(ids) <= self.context:
                yield ids, learned

    def piece(self, k: int, now: Round):
        """The batches of one piece, in random order."""
        r = random.Random(f"{self.seed}-{k}")
        rows = sorted(self.rows([now.sample(r) for _ in range(PIECE)]), key=lambda row: len(row[0]))
        batches, batch = [], []
        for row in rows:
            if batch and (len(batch) + 1) * len(row[0]) > TOKENS:
                batches.append(batch)
                batch = []
            batch.append(row)
        batches.append(batch)
        for _ in range(round(len(batches) * now.long_odds / (1 - now.long_odds))):
            long = list(self.rows([now.long(r, r.choice(now.lengths)) for _ in range(3)]))
            if long:
                batches.append(self.fill(long))
        r.shuffle(batches)
        return [self.tensors(b) for b in batches]

    def drill(self, step: int):
        """Rows of random ordinary tokens that repeat after a period: copying alone, of names that are on no list."""
        r = random.Random(f"{self.seed}-drill-{step}")
        width = r.choice((24, 32, 48, 64, 128, 256, 512))
        rows = []
        for _ in range(DRILL_TOKENS // width):
            period = r.randrange(3, width // 2)
            ids = [r.randrange(self.ordinary, self.tok.get_vocab_size()) for _ in range(period)]
            rows.append(((ids * (width // period + 1))[:width], [i >= period for i in range(width)]))
        return self.tensors(rows)

    @staticmethod
    def fill(rows):
        """As many of the rows as fit into a step."""
        out = []
        for row in rows:
            if out and (len(out) + 1) * max(len(x[0]) for x in [*out, row]) > TOKENS:
                break
            out.append(row)
        return out

    @staticmethod
    def tensors(batch):
        width = max(len(ids) for ids, _ in batch)
        x = torch.zeros(len(batch), width - 1, dtype=torch.long)
        y = torch.full((len(batch), width - 1), -100, dtype=torch.long)
        for i, (ids, learned) in enumerate(batch):
            row, flag = torch.tensor(ids), torch.tensor(learned)
            x[i, :len(ids) - 1] = row[:-1]
            y[i, :len(ids) - 1] = torch.where(flag[1:], row[1:], -100)
        return x, y


def place(step: int):
    """The round that a step belongs to, and the share of it that is done."""
    for number, one in enumerate(ROUNDS):
        if step < one.steps:
            return number, step / one.steps
        step -= one.steps
    return len(ROUNDS) - 1, 1.0


def rates(step: int):
    """Learning rates of the matrices and of the rest: a short rise, then in each round a linear fall to nearly nothing."""
    number, done = place(step)
    share = min((step + 1) / WARM, max(0.01, 1 - done)) * ROUNDS[number].rate
    return [peak * share for peak in RATES]


def learn(net, x, y) -> float:
    """Add the gradients of one batch; its mean loss over what is learned."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden, keep = net(x), y >= 0
        loss = F.cross_entropy(net.logits(hidden[keep]).float(), y[keep])
    loss.backward()
    return loss.item()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--pause-file")
    a = ap.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    path = os.path.join(a.folder, "tokenizer.json")
    if not os.path.exists(path):
        vocabulary.from_corpus(a.seed).save(path)
    tok, shape = Tokenizer.from_file(path), Shape()
    net, reader = Network(shape), Reader(tok, a.seed, shape.context)
    wire_copying(net)
    matrices = [p for n, p in net.named_parameters() if p.dim() == 2 and "embd" not in n]
    others = [p for n, p in net.named_parameters() if p.dim() != 2 or "embd" in n]
    muon = torch.optim.Muon(matrices, lr=0.0, weight_decay=0.02, momentum=0.95, adjust_lr_fn="original")
    adam = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.97), weight_decay=0.01)
    state = {"step": 0, "piece": 0, "batch": 0, "round": 0}
    before = os.path.join(a.folder, "before.pt")  # at the beginning of the last round
    saved, note = os.path.join(a.folder, "checkpoint.pt"), open(os.path.join(a.folder, "log.txt"), "a", encoding="utf-8")
    if os.path.exists(saved):
        state = torch.load(saved)
        net.load_state_dict(state["net"])
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
    step, piece, at, current = state["step"], state["piece"], state["batch"], state["round"]

    def save(name=saved):
        torch.save({"net": net.state_dict(), "muon": muon.state_dict(), "adam": adam.state_dict(), "step": step, "piece": piece, "batch": at, "round": current}, name + ".new")
        os.replace(name + ".new", name)

    batches, mean, copied, begun = [], math.nan, math.nan, time.process_time()
    while step < sum(one.steps for one in ROUNDS):
        while a.pause_file and os.path.exists(a.pause_file):
            time.sleep(1)
        for optimizer, value in zip((muon, adam), rates(step)):
            optimizer.param_groups[0]["lr"] = value
            optimizer.zero_grad()
        if step < FIRST_DRILL or step % DRILL_EVERY == 0:
            loss = learn(net, *reader.drill(step))
            copied = loss if math.isnan(copied) else 0.9 * copied + 0.1 * loss
        else:
            if not batches:
                if at == 0:
                    current = place(step)[0]
                batches = reader.piece(piece, ROUNDS[current])
            loss = learn(net, *batches[at])
            mean = loss if math.isnan(mean) else 0.98 * mean + 0.02 * loss
            at += 1
            if at == len(batches):
                batches, piece, at = [], piece + 1, 0
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        muon.step()
        adam.step()
        step += 1
        if step % 50 == 0:
            told = f"step {step} loss {mean:.4f} copying {copied:.3f} processor minutes {(time.process_time() - begun) / 60:.1f}"
            print(told, flush=True)
            print(told, file=note, flush=True)
        if step % 200 == 0:
            save()
        if step == sum(one.steps for one in ROUNDS[:-1]):
            save(before)
    # A tenth of what stood before the last round steadies what that round has sharpened.
    for name, value in torch.load(before)["net"].items():
        net.state_dict()[name].mul_(0.9).add_(value, alpha=0.1)
    save(os.path.join(a.folder, "final.pt"))


if __name__ == "__main__":
    main()
