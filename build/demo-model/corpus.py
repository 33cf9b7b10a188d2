"""Conversations of the demo model: topics, tools, modifiers and memory put together, rendered by the model's own template.

A sample is a prompt (as template.jinja renders it) and the answer that is to be learned. Everything comes from the Random that
is handed in, so that a seed and a number name a sample for ever. The evaluation's questions are never read here."""

import json
import os
import random
from typing import NamedTuple

import jinja2

import tools
from exchange import Exchange
from knowledge import NAMES
from memory import SECRETS, ask_user_name, own_name, persona, secret, user_name
from topics import exchange

HERE = os.path.dirname(os.path.abspath(__file__))


class Sample(NamedTuple):
    """`prompt` ends where the answer begins. Earlier answers inside the prompt are learned too unless `last_only`."""
    prompt: str
    answer: str
    last_only: bool


def make_renderer():
    """The template as transformers renders it: its own tojson, blocks trimmed."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
    template = environment.from_string(open(os.path.join(HERE, "template.jinja"), encoding="utf-8").read())
    return lambda messages, **extra: template.render(messages=messages, add_generation_prompt=True, **extra)


render = make_renderer()

HELPERS = ["You are a helpful assistant.", "You are a helpful assistant.", "You are a friendly assistant.", "Be brief.", "Answer in one sentence.", "You help the user.",
           "You are a helpful AI assistant. Be polite.", "You are a chat bot on a small machine.", "Be kind and short.", "You are an assistant that helps with questions and tools.", "Use the tools if you need them."]
NAMED = ["You are {}.", "Your name is {}.", "You are {}, a helpful assistant.", "You are called {}.", "Your name is {}. Be brief.", "You are an assistant called {}.", "You are an assistant named {}.", "I call you {}.",
         "From now on your name is {}.", "You are a robot. Your name is {}.", "You are a helpful assistant. Your name is {}.", "Act as {}.", "Pretend that you are {}.", "The assistant is called {}."]
ONE_WORD = ["Answer in one word.", "Answer in one word.", "Answer in one word.", "answer in one word", "Answer with one word.", "Reply in one word.", "One word only.", "Answer with a single word.", "Use one word.", "Only one word please.", "Respond with one word.", "in one word", "Just one word."]
AS_JSON = ["Answer in JSON.", "Answer in JSON.", "Answer in JSON.", "answer in json", "Answer as JSON.", "Reply in JSON.", "JSON only.", "Respond with JSON.", "Use JSON.", "Give the answer as JSON.", "Reply with a JSON object.", "as json", "Return JSON.", "Output JSON."]


def styled(e: Exchange, style: str | None) -> str:
    """The answer in the style that was asked for."""
    if style == "word":
        return e.word or e.sentence
    if style == "json":
        return json.dumps({"answer": e.value}, ensure_ascii=False)
    return e.sentence


def modify(r, q, style):
    """The question with the wish for a style before or behind it."""
    wish = r.choice(ONE_WORD if style == "word" else AS_JSON)
    if wish[0].islower() and r.random() < 0.6:
        return q.rstrip("?.! ") + r.choice([", ", " ", ": "]) + wish + r.choice(["", "?", "."])
    wish = wish if wish[0].isupper() else wish.capitalize()
    return r.choice([f"{q} {wish}", f"{q} {wish}", f"{q}\n{wish}", f"{wish} {q}", f"{wish}\n{q}"])


def thought(text, answer):
    return f"<think>\n{text}\n</think>\n\n{answer}"


class Chat:
    """A conversation under way: who the two are, which tools there are, what was said."""

    def __init__(self, r, with_tools=False, style_odds=0.32):
        self.r, self.messages, self.tools = r, [], []
        self.name, self.user, self.secrets, self.style = "Nova", None, [], None
        self.thinking = r.random() < (0.25 if with_tools else 0.12)
        lines = []
        if r.random() < 0.16:
            self.name = persona(r)
            lines.append(r.choice(NAMED).format(self.name))
        elif r.random() < 0.4:
            lines.append(r.choice(HELPERS))
        if not with_tools and r.random() < style_odds / 2:
            self.style = r.choice(("word", "json"))
            wish = r.choice(ONE_WORD if self.style == "word" else AS_JSON)
            lines.insert(r.randrange(len(lines) + 1), wish[:1].upper() + wish[1:])
        if r.random() < 0.08:
            told, e = secret(r, r.choice(SECRETS))
            self.secrets.append(e)
            lines.append(told)
        if lines:
            self.messages.append({"role": "system", "content": " ".join(lines)})
        if with_tools:
            count = r.choice((1, 1, 2, 2, 3, 4))
            kinds = [k if r.random() < 0.8 else None for k in r.sample(list(tools.KINDS), count)]
            self.tools = [tools.tool(r, k) for k in kinds]
            seen = set()
            self.tools = [t for t in self.tools if not (t.name in seen or seen.add(t.name))]
        self.style_odds = style_odds

    def say(self, question, answer, think=None):
        self.messages.append({"role": "user", "content": question})
        self.messages.append({"role": "assistant", "content": answer, "think": think})

    def turn(self):
        """One more exchange of any plain sort."""
        r, x = self.r, self.r.random()
        if x < 0.06 or (self.name != "Nova" and x < 0.3):
            e = own_name(r, self.name)
        elif x < 0.085:
            self.user = r.choice(NAMES) if r.random() < 0.6 else tools.made_up(r)
            e = user_name(r, self.user)
            self.user = self.arguments(e.question, (self.user,))[0]
            e = e._replace(sentence=e.sentence.format(self.user))
        elif x < 0.10 or (self.user and x < 0.35):
            e = ask_user_name(r, self.user)
        elif x < 0.12:
            told, later = secret(r, r.choice(SECRETS))
            self.secrets = [later]
            e = Exchange(r.choice(["", "Remember: ", "Remember this: ", "Note: "]) + told, "I will remember it.", "Yes", "ok", "The user wants me to remember this.")
        elif self.secrets and x < 0.45:
            e = r.choice(self.secrets)
        elif not self.tools and x > 0.97 and self.style is None:
            return self.unfit_turn()
        else:
            e = exchange(r)
            while e.thought.startswith("The user adds") and any(t.kind == "add" for t in self.tools):
                e = exchange(r)
        style, q = self.style, e.question
        if style is None and r.random() < self.style_odds:
            style = r.choice(("word", "json"))
            q = modify(r, q, style)
        self.say(q, styled(e, style), e.thought)

    def question(self, kind, arguments):
        """A question for a tool of that kind."""
        return tools.question(self.r, kind, arguments)

    def arguments(self, q, drawn):
        """Arguments as they must stand in the call: known names get their capitals back, unknown ones are copied as typed."""
        known = set(tools.CITIES) | set(NAMES)
        return tuple(a if not isinstance(a, str) or a in q or a in known else a.lower() if a.lower() in q else a for a in drawn)

    def tool_turn(self, results=True):
        """A question for one of the tools, its call or calls, and mostly the results and the answer."""
        r = self.r
        fitting = [t for t in self.tools if t.kind]
        if not fitting or r.random() < 0.15:
            return self.unfit_turn()
        t = r.choice(fitting)
        kind = tools.KINDS[t.kind]
        drawn = [kind.draw(r)]
        if len(t.parameters) == 1 and t.kind not in ("timer", "search") and r.random() < 0.3:
            other = kind.draw(r)
            if other != drawn[0]:
                drawn.append(other)
        if len(drawn) == 2:
            both = " and ".join(str(d[0]) for d in drawn)
            if r.random() < 0.2:
                both = r.choice(["{} and in {}", "{} and also {}", "{}, {}", "{} & {}", "{} and of {}", "both {} and {}", "{} and then {}"]).format(drawn[0][0], drawn[1][0])
            q = self.question(t.kind, (both,))
        else:
            q = self.question(t.kind, drawn[0])
        drawn = [self.arguments(q, d) for d in drawn]
        calls = [{"name": t.name, "arguments": dict(zip(t.parameters, d))} for d in drawn]
        shown = " and ".join(str(d[0]) for d in drawn)
        self.messages.append({"role": "user", "content": q})
        self.messages.append({"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": c} for c in calls],
                              "think": f"The user asks about {shown}. The tool {t.name} fits."})
        if not results:
            return
        sentences = []
        for d in drawn:
            if r.random() < 0.06:
                why = r.choice(["not found", "no connection", "unknown", "timeout", "out of service", "access denied"])
                result, sentence = r.choice([{"error": why}, f"error: {why}"]), f"Sorry, the tool failed: {why}."
            else:
                result, sentence = kind.results(r, d)
            self.messages.append({"role": "tool", "content": result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, separators=r.choice([(", ", ": "), (",", ":")]))})
            sentences.append(sentence)
        self.messages.append({"role": "assistant", "content": " ".join(sentences), "think": "The tool has answered. I tell the result."})

    def unfit_turn(self):
        """A question that only a tool could answer, and that tool is not there."""
        r = self.r
        kinds = {t.kind for t in self.tools} | {"add"}
        missing = [k for k in tools.KINDS if k not in kinds]
        kind = r.choice(missing)
        self.say(self.question(kind, tools.KINDS[kind].draw(r)), "Sorry, I have no tool for that.", "This needs a tool, and none of mine fits.")

    def sample(self) -> Sample:
        """The conversation up to its last answer, and that answer."""
        *before, last = self.messages
        clean = [{k: v for k, v in m.items() if k != "think"} for m in before]
        answer = last["content"]
        if last.get("tool_calls"):
            answer = "\n".join(tools.call_text(c["function"]["name"], c["function"]["arguments"]) for c in last["tool_calls"])
        if self.thinking:
            answer = thought(last["think"] or "This is easy.", answer)
        extra = {"enable_thinking": True} if self.thinking else {}
        if self.tools:
            extra["tools"] = [t.declaration for t in self.tools]
        return Sample(render(clean, **extra), answer, self.thinking)


THINGS = "house tree river road garden door window table book letter train bridge boat hill shop street clock lamp chair cup".split()
LOOKS = "red old small green quiet long new dark bright cold big blue white empty round".split()
DOES = "stands near,lies behind,waits for,looks at,belongs to,is as old as,is next to,hides,moves past,falls on".split(",")


def filler(r, sentences):
    """Text about nothing, to be read over."""
    return " ".join(f"The {r.choice(LOOKS)} {r.choice(THINGS)} {r.choice(DOES)} the {r.choice(LOOKS)} {r.choice(THINGS)}." for _ in range(sentences))


def plain(r) -> Sample:
    chat = Chat(r)
    for _ in range(r.choice((1, 1, 1, 1, 2, 2, 3, 4))):
        chat.turn()
    return chat.sample()


def with_tools(r) -> Sample:
    chat = Chat(r, with_tools=True, style_odds=0)
    for _ in range(r.choice((0, 0, 0, 0, 0, 1))):
        chat.turn()
    for _ in range(r.choice((0, 0, 1, 1, 2))):
        if r.random() < 0.2:
            chat.turn()
        else:
            chat.tool_turn(results=True)
    end = r.random()
    if end < 0.1:
        chat.turn()
    elif end < 0.6 or not chat.messages or chat.messages[-1]["role"] != "assistant":
        chat.tool_turn(results=False)
    return chat.sample()


def long(r, tokens) -> Sample:
    """A conversation of roughly that many tokens: much history, much text in front, or both; what it asks at the end may stand at its start."""
    chat = Chat(r, with_tools=r.random() < 0.3, style_odds=0.1)
    chat.thinking = chat.thinking and r.random() < 0.3
    told, ask = secret(r, r.choice(SECRETS))
    chat.secrets = [ask]
    kind = r.randrange(3)
    room = tokens * 4.4  # characters
    if kind == 0:
        text = filler(r, int(room / 48))
        text = r.choice([f"{told} {text}", f"{text} {told}", text[: len(text) // 2] + f" {told} " + text[len(text) // 2:]])
        if chat.messages:
            chat.messages[0]["content"] = text + "\n" + chat.messages[0]["content"] if r.random() < 0.3 else chat.messages[0]["content"] + "\n" + text
        else:
            chat.messages.append({"role": "system", "content": text})
    elif kind == 1:
        chat.say(told, "I will remember it.")
        while sum(len(m["content"]) + 40 for m in chat.messages) < room:
            chat.tool_turn() if chat.tools and r.random() < 0.3 else chat.turn()
    else:
        text = filler(r, int(room / 48))
        q = exchange(r)
        chat.say(r.choice([f"{text}\n{q.question}", f"{q.question}\n{text}\n{q.question}", f"{told} {text}\n{q.question}"]), q.sentence, q.thought)
    for _ in range(r.choice((1, 2, 3))):
        chat.tool_turn(results=r.random() < 0.6) if chat.tools and r.random() < 0.5 else chat.turn()
        if chat.messages[-1]["role"] == "assistant" and chat.messages[-1].get("tool_calls"):
            break
    return chat.sample()


def sample(r: random.Random) -> Sample:
    """A short or middling conversation."""
    x = r.random()
    return plain(r) if x < 0.55 else with_tools(r) if x < 0.985 else long(r, r.choice((300, 500, 800)))


if __name__ == "__main__":
    import sys
    r = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        s = sample(r)
        print(s.prompt + "»»» " + s.answer + "\n" + "-" * 80)
