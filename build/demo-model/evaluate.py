#!/usr/bin/env python3
"""Ask a packed model the questions of questions.jsonl: `evaluate.py MODEL [--npu] [--long] [--speed] [--wrong FILE]`.

Training never reads that file. Each line is a tool that questions name ("declare") or a question: `ask`, what was said before
(`system`, `history`, or `called` with `results`), and what must come: `expect` (texts), `form` ("word" or "json"), `calls`
(tool calls), `thinking`. Exit code 1 when a bar is missed."""

import argparse
import json
import os
import re
import sys
from collections import Counter

from asking import Asker

HERE = os.path.dirname(os.path.abspath(__file__))
DIGITS = {word: str(i) for i, word in enumerate(("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
                                                 "fifteen sixteen seventeen eighteen nineteen twenty").split())}
# Measured apart from the domain: arguments on no list of the training, and what the model cannot know.
APART = {"unseen", "unknown"}
# The answer's last word is the point; before it the sentence repeats the question.
AT_END = {"capital", "colour", "calendar", "sum", "opposite"}
CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.S)


def read(path: str):
    """(tools by name, questions) of a questions file."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return {x["declare"]: x["tool"] for x in lines if "declare" in x}, [x for x in lines if "ask" in x]


def messages(q: dict) -> list:
    """The conversation that a question stands in."""
    out = [{"role": "system", "content": q["system"]}] if "system" in q else []
    for asked, answered in q.get("history", []):
        out += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    out.append({"role": "user", "content": q["ask"]})
    if "called" in q:
        out.append({"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": c} for c in q["called"]]})
        out += [{"role": "tool", "content": r} for r in q["results"]]
    return out


def plain(value) -> str:
    """Text for comparing: no case, no final punctuation, number words as digits."""
    text = str(value).casefold().strip().rstrip(".!?")
    return re.sub(r"[a-z]+", lambda m: DIGITS.get(m[0], m[0]), text)


def calls_of(text: str):
    """The tool calls in an answer, or None where one is not valid JSON of the right form."""
    if text.count("<tool_call>") != len(CALL.findall(text)):
        return None
    calls = []
    for body in CALL.findall(text):
        try:
            call = json.loads(body)
        except ValueError:
            return None
        if not isinstance(call, dict) or set(call) != {"name", "arguments"} or not isinstance(call["arguments"], dict):
            return None
        calls.append(call)
    return calls


def normal(calls) -> list:
    return sorted((c["name"], json.dumps({k: plain(v) for k, v in c["arguments"].items()}, sort_keys=True)) for c in calls)


def right(q: dict, text: str) -> bool:
    """Whether the answer is what the question wants."""
    if q.get("thinking"):
        if not re.match(r"<think>\n.+?\n</think>\n\n", text, re.S):
            return False
        text = text.split("</think>", 1)[1].strip()
    elif "<think>" in text:
        return False
    calls = calls_of(text)
    if calls is None or normal(calls) != normal(q.get("calls", [])):
        return False
    if "expect" not in q:
        return True
    if q.get("form") == "json":
        try:
            value = json.loads(text)
        except ValueError:
            return False
        return isinstance(value, dict) and [plain(v) for v in value.values()] == [plain(q["expect"][0])]
    if q.get("form") == "word":
        return plain(text) == plain(q["expect"][0])
    if q["topic"] in AT_END:
        return re.search(rf"(^|\W){re.escape(plain(q['expect'][0]))}$", plain(text)) is not None
    return all(re.search(rf"(?<!\w){re.escape(plain(e))}(?!\w)", plain(text)) for e in q["expect"])


def share(hits) -> float:
    hits = list(hits)
    return 100 * sum(hits) / len(hits)


LETTER = ("Dear friend, the journey was pleasant and the weather stayed fine until the evening. We stopped at a small inn, ate soup and talked about old times. "
          "In the morning the road led us through a forest, over two bridges and along a lake with boats. Nobody was in a hurry. ")


def long_contexts(asker: Asker, size: int) -> list:
    """(what, whether right) for questions behind about `size` tokens of letter or of history, with a secret told at the start."""
    out = []
    final = [("what is the secret word?", "rocket"), ("What is the capital of Norway?", "Oslo"), ("which day follows Monday", "Tuesday"), ("how much is 4 plus 5?", "9"),
             ("opposite of big?", "small"), ("what does a cow say?", "moo"), ("Translate water to German", "Wasser"), ("on which port does the server listen?", "11435")]
    history = [("what color is snow?", "Snow is white."), ("capital of Spain", "The capital of Spain is Madrid."), ("3 plus 3", "3 plus 3 is 6."), ("thanks", "You are welcome. Is there anything else?"),
               ("What is the opposite of hot?", "The opposite of hot is cold."), ("emoji for a dog", "Here is a dog: 🐶")]
    for kind in ("text", "history"):
        for question, expected in final:
            said, count = [{"role": "user", "content": "Remember: The secret word is rocket."}, {"role": "assistant", "content": "I will remember it."}], 0
            while True:
                if kind == "text":
                    said[0]["content"] = "Remember: The secret word is rocket. " + LETTER * count
                else:
                    said += [m for a, b in [history[count % len(history)]] for m in ({"role": "user", "content": a}, {"role": "assistant", "content": b})]
                prompt = asker.render([*said, {"role": "user", "content": question}])
                if asker.tokenizer.encode(prompt, add_special_tokens=False).input_ids.shape[1] > size - 100:
                    break
                count += 1
            answer = asker.ask([*said, {"role": "user", "content": question}], limit=60)
            out.append((f"{kind} of {answer.prompt_tokens} tokens: {question} -> {answer.text}", plain(expected) in plain(answer.text)))
    return out


def main() -> int:
    ap = argparse.ArgumentParser()
    ap.add_argument("model")
    ap.add_argument("--questions", default=os.path.join(HERE, "questions.jsonl"))
    ap.add_argument("--npu", action="store_true", help="ask the emulated NPU too and compare")
    ap.add_argument("--long", action="store_true", help="ask behind 1,000, 2,000 and 4,000 tokens too")
    ap.add_argument("--speed", action="store_true", help="measure tokens per second of one stream")
    ap.add_argument("--wrong", help="write the wrong answers to this file")
    a = ap.parse_args()
    tools, questions = read(a.questions)
    asker, missed = Asker(a.model), []

    def bar(name, value, least):
        print(f"{name}: {value:.1f} % (at least {least} %)")
        if value < least:
            missed.append(name)

    def declared(q):
        return [tools[name] for name in q.get("tools", [])]

    answers = [asker.ask(messages(q), declared(q), q.get("thinking", False)) for q in questions]
    hits = [right(q, x.text) for q, x in zip(questions, answers)]
    total, good = Counter(q["topic"] for q in questions), Counter(q["topic"] for q, hit in zip(questions, hits) if hit)
    wrong = [f"[{q['topic']}] {q['ask']} -> {x.text!r}, expected {q.get('expect') or q.get('calls')}" for q, x, hit in zip(questions, answers, hits) if not hit]
    print("\n".join(f"{topic}: {good[topic]} of {n}" for topic, n in sorted(total.items())))
    print("wrong:", *wrong, sep="\n  ")
    if a.wrong:
        with open(a.wrong, "w", encoding="utf-8") as file:
            file.write("\n".join(wrong) + "\n")
    bar(f"in its domain, {sum(q['topic'] not in APART for q in questions)} questions", share(h for q, h in zip(questions, hits) if q["topic"] not in APART), 90)
    bar("tool calls with known arguments", share(h for q, h in zip(questions, hits) if q["topic"] in ("tool", "parallel")), 95)
    bar("valid tool JSON", share(calls_of(x.text) is not None for x in answers), 100)
    if a.npu:
        npu = Asker(a.model, "NPU")
        others = [npu.ask(messages(q), declared(q), q.get("thinking", False)) for q in questions]
        bar("NPU has the same first token", share(x.tokens[:1] == y.tokens[:1] for x, y in zip(answers, others)), 100)
        bar("NPU has the same answer", share(x.text == y.text for x, y in zip(answers, others)), 98)
        bar("NPU in its domain", share(right(q, y.text) for q, y in zip(questions, others) if q["topic"] not in APART), 90)
    if a.long:
        for size in (1000, 2000, 4000):
            found = long_contexts(asker, size)
            print("\n".join("  wrong: " + what for what, hit in found if not hit))
            bar(f"behind {size} tokens, {len(found)} questions", share(hit for _, hit in found), 80)
    if a.speed:
        print(f"one stream: {asker.speed():.0f} tokens/s")
    print("missed: " + ", ".join(missed) if missed else "every bar is held")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
