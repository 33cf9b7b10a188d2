"""What the last steps of the training read: tools that are easily confused side by side, questions about them in wilder words, and
text of all sorts up to the whole context. The first thousands of steps teach the rest; these sharpen what those left dull."""

import random

import corpus
import tools
from knowledge import NAMES
from topics import ECHO_WORDS, exchange
from wording import expand, noisy, typo

# Tools that take the same argument: only the question tells them apart.
RIVALS = [("weather", "time", "population"), ("phone", "birthday", "message"), ("phone", "birthday"), ("weather", "time"), ("time", "population"),
          ("timer", "add"), ("light", "search"), ("timer", "light", "search", "add")]
MORE = {
    "weather": "sky over {0}|(will|does|did) it rain in {0} (today|tonight|)|temperature (of|for) {0}|how cold does it get in {0}|degrees in {0}|forecast for {0}",
    "time": "clock in {0}|the hour in {0}|time for {0}|time now in {0}|what do the clocks show in {0}|is it noon in {0}",
    "population": "inhabitants of {0}|number of inhabitants, {0}|how many call {0} home|how populous is {0}|size of the population in {0}",
    "phone": "how (can|could|may) i (reach|contact|ring|phone) {0}|(my contact|the contact) {0}, what number|{0}'s telephone|telephone of {0}|i (have lost|need|am looking for) the number of {0}|number of {0}|what do i dial for {0}|phone for {0}",
    "birthday": "birth date of {0}|born: {0}|when does {0} (turn a year older|celebrate)|(which|what) (day|date) is the birthday of {0}|{0} was born when|do you have {0}'s birthday|when did {0} come into the world|birthday, {0}",
    "timer": "timer (of|) {0} (min|minutes)|(give|make) me {0} minutes|{0} minutes, then ring|count down {0} (min|minutes)|alarm in {0} minutes|start {0} minutes|{0} min timer",
    "add": "{0} and {1} together|total of {0} and {1}|{0} + {1} =|calculate {0}+{1}|what is the total of {0} and {1}|add up {0} and {1}|put {0} and {1} together",
    "light": "(it is|it's) dark in the {0}|light up the {0}|lamp in the {0}|i cannot see in the {0}|brighten the {0}|no light in the {0}, turn it on|{0} lamp on",
    "search": "look for {0} (on the net|on the web|online)|online: {0}|what is there about {0} on the web|web: {0}|internet search for {0}|please find {0} on the net",
    "message": "(let|make) {0} know: {1}|{0} should read: {1}|text for {0}: {1}|send word to {0}: {1}|write this to {0}: {1}",
}
BEFORE = ["I am in a hurry. ", "It is important. ", "Listen: ", "One more thing. ", "I have a question. ", "I am on the way. ", "You there, ", "As always, ", "Right, ", "Next. ", "My turn. ", "Good. "]
BEHIND = [", I need it soon", ", that is all", ", I am curious", ", my friend asks", ", that would help", ", it is for later", " and that is it", ", I never know", ", I keep forgetting", ", as soon as you can", ". That is all", ". I need to know"]

# Of the last round: what stands behind a comma is not always one more thing to ask for.
ASIDES = BEHIND + [", hurry please", ", now please", ", quick please", ", I want to know", ", I want to go there", ", I want to ask something", ", thank you so much", ", do it please"]


class Chat(corpus.Chat):
    """A conversation with rivals among its tools."""

    def __init__(self, r, behind):
        super().__init__(r, with_tools=True, style_odds=0)
        self.behind = behind
        if r.random() < 0.8:
            kinds = list(r.choice(RIVALS))
            r.shuffle(kinds)
            if r.random() < 0.3:
                kinds.insert(r.randrange(len(kinds) + 1), r.choice([None, *tools.KINDS]))
            seen = set()
            self.tools = [t for t in (tools.tool(r, k) for k in kinds) if not (t.name in seen or seen.add(t.name))]

    def question(self, kind, arguments):
        r = self.r
        if r.random() < 0.5:
            return tools.question(r, kind, arguments)
        forms = MORE[kind] if r.random() < 0.6 else tools.KINDS[kind].ask
        words = expand(r, r.choice(tools.split_top(forms))).split(" ")
        plain = [i for i, w in enumerate(words) if "{" not in w and len(w) > 4]
        if plain and r.random() < 0.25:
            i = r.choice(plain)
            words[i] = typo(r, words[i])
        text = " ".join(words).format(*(str(a) for a in arguments))
        if r.random() < 0.2:
            text = r.choice(BEFORE) + text[:1].upper() + text[1:]
        if r.random() < 0.25:
            text += r.choice(self.behind)
        return noisy(r, text, keep=True, order=True)


def with_tools(r, behind):
    chat = Chat(r, behind)
    for _ in range(r.choice((0, 0, 0, 1))):
        chat.tool_turn(results=True)
    chat.tool_turn(results=r.random() < 0.2)
    return chat.sample()


def prose(r, characters):
    """Sentences of known and unknown words, and of what the topics answer."""
    out, size = [], 0
    while size < characters:
        kind = r.random()
        if kind < 0.4:
            words = [r.choice(ECHO_WORDS) if r.random() < 0.7 else tools.made_up(r).lower() for _ in range(r.randrange(3, 14))]
            text = " ".join(words).capitalize() + r.choice([".", ".", "!", "?", ","])
        elif kind < 0.7:
            text = corpus.filler(r, 2)
        elif kind < 0.9:
            text = exchange(r).sentence
        else:
            text = f"{r.choice(NAMES)}: " + exchange(r).question
        out.append(text)
        size += len(text) + 1
    return r.choice([" ", " ", "\n"]).join(out)


def long(r, tokens):
    """A question, mostly behind prose of roughly that many tokens, with something told before it."""
    if r.random() < 0.4:
        return corpus.long(r, tokens)
    chat = corpus.Chat(r, style_odds=0.1)
    told, ask = corpus.secret(r, r.choice(corpus.SECRETS))
    text = prose(r, tokens * 3)
    text = r.choice([f"{told} {text}", f"Remember: {told} {text}", f"{text} {told}"])
    if r.random() < 0.5:
        chat.say(text, "I will remember it.")
    else:
        chat.messages.insert(0, {"role": "system", "content": text})
    chat.secrets = [ask]
    for _ in range(r.choice((1, 2))):
        chat.turn()
    return chat.sample()


def sample(r: random.Random, tools_share: float, behind=BEHIND):
    return with_tools(r, behind) if r.random() < tools_share else corpus.plain(r)
