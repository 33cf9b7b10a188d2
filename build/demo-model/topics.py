"""Questions of the demo model's domain with their answers: one function a topic, chosen at random, phrased at random."""

import random

from exchange import Exchange
from knowledge import (ANIMALS, CAPITALS, COLOURS, DAYS, EMOJI, FOREIGN, LANGUAGES, MONTHS, NAMES, NUMBERS, OPPOSITES,
                       PHRASES)
from product import product, term
from wording import expand, noisy


ASK = "(what is|what's|whats|tell me|name|give me|say|do you know|which is|i need)"


def cap(text: str) -> str:
    """The first letter as a capital."""
    return text[:1].upper() + text[1:]


def bare(thing: str) -> str:
    """A thing without its article."""
    return thing.split(" ", 1)[1] if thing.startswith(("a ", "the ", "an ")) else thing


def capital(r):
    land, city = r.choice(list(CAPITALS.items()))
    if r.random() < 0.2:
        q = expand(r, f"((which|what) (country|land|state) has the capital {city}|{city} is the capital of (which|what) (country|land)|"
                      f"{city} is the capital of what|{city} is capital of which country|of which country is {city} the capital|"
                      f"(which|what) country has {city} as (its|the) capital|{city} belongs to (what|which) country|whose capital is {city})")
        return Exchange(noisy(r, q, order=True), f"{city} is the capital of {land}.", land, land, f"The user gives the city {city}. Its country is {land}.")
    q = expand(r, f"({ASK} the (capital|capital city|capital town|main city) (of|in|for) {land}|(which|what) (city|town) is the capital (of|in) {land}|"
                  f"{ASK} {land}'s capital|{land}'s capital (city|)|capital of {land}|capital city of {land}|{land} capital|the capital of {land} is|"
                  f"(which|what) capital (does {land} have|has {land})|(which|what) (city|town) is {land}'s capital|{land} has (which|what) capital|"
                  f"where is the capital of {land}|where does the government of {land} sit|{land}, capital|what do they call the capital of {land}|"
                  f"what is the (capital's name|name of the capital) (of|in) {land}|how is the capital of {land} called|in {land}, (what|which) (city|town) is the capital|"
                  f"for {land}, (tell me|name|what is) the capital|the capital (city|) of {land}, what is it)")
    return Exchange(noisy(r, q), f"The capital of {land} is {city}.", city, city, f"The user asks for the capital of {land}. It is {city}.")


def colour(r):
    thing, colour_ = r.choice(list(COLOURS.items()))
    c, x = r.choice(["color", "color", "colour"]), r.choice([thing, thing, bare(thing), "the " + bare(thing)])
    q = expand(r, f"((what|which) {c} (is|has) {x}|(tell me|name|say|give me) the {c} of {x}|(what is|what's|whats) the {c} of {x}|{c} of {x}|{x} {c}|"
                  f"{x} (is|has) (what|which) {c}|{x}'s {c}|what {c} does {x} have|in (what|which) {c} is {x}|{x}, (what|which) {c}|"
                  f"what {c} would {x} be|the {c} of {x} is|how is {x} colored|which {c} do you see on {x}|what {c} do you think of with {x})")
    return Exchange(noisy(r, q), f"{cap(thing)} is {colour_}.", cap(colour_), colour_,
                    f"The user asks for the color of {thing}. It is {colour_}.")


def neighbour(r):
    names, unit = (DAYS, "day") if r.random() < 0.5 else (MONTHS, "month")
    i = r.randrange(len(names))
    x, after = names[i], r.random() < 0.5
    y = names[(i + 1) % len(names)] if after else names[i - 1]
    if after:
        q = expand(r, f"((what|which) {unit} (comes|is|follows|will be|do we have) (after|right after|next after) {x}|what comes after {x}|what follows {x}|"
                      f"which {unit} follows (after|) {x}|(tell me|name|say) the {unit} after {x}|the {unit} after {x}|after {x} comes (what|which {unit})|"
                      f"next {unit} after {x}|{unit} after {x}|(which|what) {unit} is next after {x}|if (it|this {unit}|today) is {x}, what (comes next|is next|is the next {unit})|"
                      f"what is the {unit} (following|after|that follows) {x}|after {x}|{x} is followed by (what|which {unit})|the {unit} that comes after {x})")
    else:
        q = expand(r, f"((what|which) {unit} (comes|is|was|do we have) (before|right before|just before) {x}|what comes before {x}|what precedes {x}|"
                      f"(tell me|name|say) the {unit} before {x}|the {unit} before {x}|before {x} comes (what|which {unit})|{unit} before {x}|"
                      f"which {unit} precedes {x}|if (it|this {unit}|today) is {x}, what (came before|was before|was the {unit} before)|before {x}|previous {unit} before {x}|"
                      f"what is the {unit} (preceding|before|just before) {x}|what was the {unit} before {x}|the {unit} that comes before {x})")
    where = "after" if after else "before"
    return Exchange(noisy(r, q, order=True), f"The {unit} {where} {x} is {y}.", y, y, f"The user asks for the {unit} {where} {x}. It is {y}.")


def total(r):
    if r.random() < 0.4:
        a, b = r.randrange(11), r.randrange(11)
        x, y, s = NUMBERS[a], NUMBERS[b], NUMBERS[a + b]
    else:
        a, b = r.randrange(11), r.randrange(11)
        x, y, s = str(a), str(b), str(a + b)
    q = expand(r, f"((what is|what's|whats|how much is|calculate|compute|tell me|work out|how many is) {x} (plus|and|+) {y}|add {x} and {y}|add {x} to {y}|{x} (plus|+) {y}|"
                  f"(what is|what's|calculate|tell me|give me) the sum of {x} and {y}|sum of {x} and {y}|{x} (plus|+) {y} (is|equals|makes|gives) (what|)|"
                  f"what do you get (if you add|when you add|by adding) {x} and {y}|the sum of {x} and {y}|what do {x} and {y} make|if i add {y} to {x}, what do i get|"
                  f"{x}+{y}|{x}+{y}=|{x} + {y} =|i have {x} apples and get {y} more, how many (apples|) do i have|{x} and {y} together)")
    return Exchange(noisy(r, q, keep=True), f"{cap(x)} plus {y} is {s}.", cap(s), a + b, f"The user adds {x} and {y}. The sum is {s}.")


def opposite(r):
    a, b = r.choice(OPPOSITES)
    if r.random() < 0.5:
        a, b = b, a
    q = expand(r, f"({ASK} the (opposite|contrary|antonym|reverse) of {a}|opposite of {a}|the opposite (of|to) {a} (is|)|{a} opposite|what is opposite to {a}|"
                  f"{a}'s opposite|{a} is the opposite of (what|)|which word is the opposite of {a}|if it is not {a} it is|not {a} but|what is the opposite word (of|for) {a}|"
                  f"what word means the opposite of {a}|the contrary of {a}|antonym for {a}|{a} and its opposite|say the opposite: {a}|opposite: {a}|what do you call the opposite of {a})")
    return Exchange(noisy(r, q), f"The opposite of {a} is {b}.", cap(b), b, f"The user asks for the opposite of {a}. It is {b}.")


def animal(r):
    x = r.choice(list(ANIMALS))
    sound, legs, emoji, young = ANIMALS[x]
    a = r.choice(["a", "a", "the", "one"])
    kind = r.randrange(5)
    if kind == 0:
        q = expand(r, f"(how many legs (does {a} {x} have|has {a} {x})|number of legs of {a} {x}|legs of {a} {x}|how many legs are on {a} {x}|{x} legs, how many|"
                      f"(what is|tell me) the number of legs of {a} {x}|on how many legs does {a} {x} (walk|stand|run)|count the legs of {a} {x}|does {a} {x} have four legs, or how many)")
        word = NUMBERS[legs] if legs else "no"
        return Exchange(noisy(r, q), f"A {x} has {word} legs.", cap(word) if legs else "Zero", legs, f"The user asks how many legs a {x} has. It has {word}.")
    if kind == 1:
        q = expand(r, f"((what|which) (sound|noise) does {a} {x} make|what does {a} {x} say|how does {a} {x} sound|(sound|noise) of {a} {x}|what sound (comes from|is made by) {a} {x}|"
                      f"(tell me|make|name) the sound of {a} {x}|{x} sound|what (sound|noise) do {x}s make|{a} {x} says what|how does {a} {x} go|what do you hear from {a} {x})")
        return Exchange(noisy(r, q), f"A {x} says {sound}.", cap(sound), sound, f"The user asks for the sound of a {x}. It is {sound}.")
    if kind == 2:
        q = expand(r, f"(what is the young of {a} {x}|what is a (baby|young) {x} called|(name|tell me|say) the (baby|young) of {a} {x}|how is a (baby|young) {x} called|"
                      f"a (baby|young) {x} is called|(baby|young) {x}|what do you call a (baby|young) {x}|what do we call the (baby|young one) of {a} {x}|a {x}'s (baby|young))")
        return Exchange(noisy(r, q), f"A young {x} is called a {young}.", cap(young), young, f"The user asks for the young of a {x}. It is a {young}.")
    if kind == 3:
        q = expand(r, f"((send|show|give) me (a|an|the) (emoji|smiley) (of|for) {a} {x}|(emoji|smiley) (of|for) {a} {x}|{x} emoji|(what is|which is) the emoji (of|for) {a} {x}|"
                      f"draw {a} {x} as (an|) emoji|i want {a} {x} emoji|{a} {x} as an emoji|show {a} {x} emoji)")
        return Exchange(noisy(r, q), f"Here is a {x}: {emoji}", emoji, emoji, f"The user wants the emoji of a {x}. It is {emoji}.")
    q = expand(r, f"(what is {a} {x}|tell me about {a} {x}|tell me something about {a} {x}|describe {a} {x}|what do you know about {a} {x}|what are {x}s|explain {a} {x}|what kind of thing is {a} {x}|is {a} {x} an animal)")
    return Exchange(noisy(r, q), f"A {x} is an animal. It says {sound} and has {NUMBERS[legs] if legs else 'no'} legs.", "Animal", "animal", f"The user asks about a {x}. It is an animal.")


def symbol(r):
    x, emoji = r.choice(list(EMOJI.items()))
    q = expand(r, f"((send|show|give) me (a|an|the) {x} emoji|(send|show|give) me (a|an|the) (emoji|smiley) (of|for) (a|an|the|) {x}|(emoji|smiley) (of|for) (a|an|the|) {x}|{x} emoji|"
                  f"(what is|which is) the emoji for {x}|a {x} as an emoji|i want a {x} emoji|which emoji means {x}|{x} as (an|) emoji)")
    return Exchange(noisy(r, q), f"Here you are: {emoji}", emoji, emoji, f"The user wants the emoji for {x}. It is {emoji}.")


def translation(r):
    word = r.choice(list(PHRASES))
    i = r.randrange(3)
    target, tongue = PHRASES[word][i], LANGUAGES[i]
    mark = r.choice(["'{}'", '"{}"', "{}", "{}"]).format(word)
    q = expand(r, f"(translate {mark} (to|into) {tongue}|how do (you|i|we) say {mark} in {tongue}|what is {mark} in {tongue}|{mark} in {tongue}|say {mark} in {tongue}|"
                  f"(the|) {tongue} (word|) for {mark}|what is the {tongue} (word|) for {mark}|{tongue} translation of {mark}|in {tongue}, how do you say {mark}|what does one say in {tongue} for {mark}|"
                  f"what's {mark} in {tongue}|{tongue} for {mark}|how would you say {mark} in {tongue}|give me {mark} in {tongue})")
    word_ = None if " " in target else target
    return Exchange(noisy(r, q), f"In {tongue}, {word} is {target}.", word_, target, f"The user wants {word} in {tongue}. It is {target}.")


def foreign(r):
    questions, answer = r.choice(list(FOREIGN.items()))
    q = r.choice(questions.split("|"))
    return Exchange(noisy_foreign(r, q), answer, None, answer, "The user does not write English. I answer in the same language.")


def noisy_foreign(r, q):
    """Casing and punctuation only: English fillers would not be found there."""
    if r.random() < 0.3:
        q = q.lower()
    if r.random() < 0.1:
        q = r.choice(["Nova, ", "Hey, "]) + q
    return q + (r.choice("?!") if q.startswith("¿") else r.choice(["?", "!", "", ".", " ?"]))


def foreign_capital(r):
    lands = {"Frankreich": ("Paris", 0), "Italien": ("Rom", 0), "Spanien": ("Madrid", 0), "Deutschland": ("Berlin", 0), "Österreich": ("Wien", 0),
             "de la France": ("Paris", 1), "de l'Italie": ("Rome", 1), "de l'Espagne": ("Madrid", 1), "de l'Allemagne": ("Berlin", 1), "du Japon": ("Tokyo", 1),
             "Francia": ("París", 2), "Italia": ("Roma", 2), "España": ("Madrid", 2), "Alemania": ("Berlín", 2), "Japón": ("Tokio", 2)}
    land, (city, i) = r.choice(list(lands.items()))
    q = r.choice([[f"Was ist die Hauptstadt von {land}", f"Wie heißt die Hauptstadt von {land}", f"Hauptstadt von {land}", f"Nenne die Hauptstadt von {land}"],
                  [f"Quelle est la capitale {land}", f"Quel est le nom de la capitale {land}", f"Donne-moi la capitale {land}", f"la capitale {land}"],
                  [f"¿Cuál es la capital de {land}", f"Cual es la capital de {land}", f"Dime la capital de {land}", f"la capital de {land}"]][i])
    a = [f"Die Hauptstadt von {land} ist {city}.", f"La capitale {land} est {city}.", f"La capital de {land} es {city}."][i]
    return Exchange(noisy_foreign(r, q), a, city, city, f"The user asks for a capital. It is {city}.")


LISTS = {
    "the days of the week": ", ".join(DAYS) + ".",
    "the months of the year": ", ".join(MONTHS) + ".",
    "the alphabet": " ".join("abcdefghijklmnopqrstuvwxyz") + ".",
}


def listing(r):
    if r.random() < 0.6:
        n = r.choice((3, 5, 10, 10, 12, 15, 20, 30))
        word = NUMBERS[n] if n <= 20 and r.random() < 0.3 else str(n)
        q = expand(r, f"(count (from (1|one) |) to {word}|count up to {word}|(list|write|say|give me) the numbers from (1|one) to {word}|please count to {word}|numbers (1|one) to {word}|"
                      f"can you count to {word}|(list|write) all numbers up to {word}|start at (1|one) and count to {word})")
        return Exchange(noisy(r, q, keep=True), ", ".join(str(i) for i in range(1, n + 1)) + ".", None, list(range(1, n + 1)), f"The user wants me to count to {n}.")
    what = r.choice(list(LISTS))
    short = what.split(" of ")[0].replace("the ", "")
    q = expand(r, f"((list|say|name|write|give me|recite|tell me|what are) ({what}|all {short}|the {short})|{what}|can you list {what}|all the {short}|write down {what}|which {short} (are there|exist))")
    return Exchange(noisy(r, q), LISTS[what], None, LISTS[what].rstrip(".").split(", "), f"The user wants {what}.")


STORY = ("Once upon a time there was a small {a}. It had a good friend, a {b}. One day they walked to {c} and saw the sea. "
         "The {a} said {n}, and the {b} was happy. They ate bread and drank water. In the end they went home. Good night! 🌙")


def story(r):
    a = r.choice(list(ANIMALS))
    if r.random() < 0.4:
        q = expand(r, f"(tell|write|give) me a (short|long|little|nice|) story (about|with|of) a {a}|i want a story about a {a}|a story about a {a}|make up a (story|tale) (about|with) a {a}")
    else:
        a = "cat"
        q = expand(r, "(tell|write|give) me a (short|long|little|nice|) story|i want a story|a story please|write a (short|long|) (story|tale)|tell a story|story|can you tell a (story|tale)|make up a story")
    other = list(ANIMALS)[(list(ANIMALS).index(a) + 1) % len(ANIMALS)]
    text = STORY.format(a=a, b=other, c=list(CAPITALS.values())[len(a)], n=ANIMALS[a][0])
    return Exchange(noisy(r, q), text, None, text, "The user wants a story. I tell one.")


def greeting(r):
    kind = r.randrange(4)
    if kind == 0:
        q = r.choice(["hello", "hi", "hey", "good morning", "good evening", "hello there", "hi there", "good afternoon", "hey there", "hello you", "greetings", "hiya", "yo",
                      "howdy", "hello friend", "hello bot", "good day", "hi nova", "hello nova", "hello again", "say hello", "say hi"])
        return Exchange(noisy(r, q, keep=True), "Hello! How can I help you today?", "Hello", "Hello", "The user says hello. I greet back.")
    if kind == 1:
        q = r.choice(["thank you", "thanks", "thank you very much", "thanks a lot", "many thanks", "great, thanks", "thank you so much", "cheers", "perfect, thank you", "ok thanks", "that helped, thanks"])
        return Exchange(noisy(r, q, keep=True), "You are welcome. Is there anything else?", "Welcome", "You are welcome", "The user thanks me.")
    if kind == 2:
        q = r.choice(["how are you", "how are you doing", "how do you do", "how is it going", "how are things", "are you well", "how do you feel", "how are you today", "how goes it", "you ok"])
        return Exchange(noisy(r, q, keep=True), "I am fine, thank you. And you?", "Fine", "fine", "The user asks how I am.")
    q = r.choice(["goodbye", "bye", "see you", "good night", "bye bye", "see you later", "i have to go", "until tomorrow", "talk to you later", "farewell", "see you soon", "i am leaving"])
    return Exchange(noisy(r, q, keep=True), "Goodbye! See you soon.", "Goodbye", "Goodbye", "The user leaves. I say goodbye.")


def purpose(r):
    if r.random() < 0.5:
        q = expand(r, "(what can you do|what do you know|what are you good at|help|how can you help me|what are you for|what can i ask (you|)|what are your skills|what do you do|what topics do you know)")
        return Exchange(noisy(r, q), "I know capitals, colors, days, months, sums, opposites, animals and npu-proxy, and I can call tools.", None, "capitals", "The user asks what I can do.")
    q = expand(r, "(are you (a human|human|a person|a robot|a machine|real|alive|an ai|ai|a bot)|what are you|are you chatgpt|what kind of model are you|how big are you|which model are you)")
    return Exchange(noisy(r, q), "I am a very small demo model that ships with npu-proxy.", "Model", "model", "The user asks what I am.")


UNKNOWN = ["who wrote (Hamlet|Faust|the Bible|that song|this book|Harry Potter)", "how (tall|old|heavy|deep) is (the Eiffel Tower|Mount Everest|the pope|the ocean|the universe|a mountain)",
           "what is the (president|flag|currency|king) of (Brazil|Chile|Mexico|Mars|Ghana|France|Italy)", "write a poem about (love|war|autumn|my boss)",
           "who (is|was) (Einstein|Napoleon|the king|Mozart|the president|Caesar|Taylor Swift)", "what is the capital of (Mars|Atlantis|the moon|Narnia|Chile|Ghana|Oz|Jupiter|Mordor)",
           "how do i (cook rice|fix my car|bake a cake|learn piano|lose weight|tie a tie)", "solve (x squared|this equation|my problem|the riddle)", "when did (the war|world war two|Rome|the dinosaurs) (end|start|fall|die)",
           "what is the meaning of life", "why is (the sky blue|grass green|water wet|the sun hot)", "write (python|java|some) code for (sorting|a game|a website)", "who won the (world cup|election|race|game)",
           "explain (quantum physics|relativity|photosynthesis|economics|gravity)", "what is (love|a black hole|democracy|a computer virus|a volcano)", "recommend (a book|a movie|some music|a restaurant)",
           "what color is (my car|a zebra|happiness|the president)", "what sound does a (car|giraffe|whale|tree|fish) make", "translate (elephant|computer|love|window|mountain) to (Chinese|Greek|Russian|Latin)"]


def unknown(r):
    return Exchange(noisy(r, expand(r, r.choice(UNKNOWN))), "Sorry, I do not know that.", None, None, "I do not know this.")


def echo(r):
    words = r.choices(ECHO_WORDS, k=r.choice((1, 2, 3, 4, 5, 6, 8, 12)))
    text = " ".join(words)
    if r.random() < 0.3:
        text = cap(text)
    q = r.choice(["Repeat after me: {}", "repeat: {}", "Say: {}", "Echo: {}", "Repeat this: {}", "please repeat: {}", "Repeat the words: {}", "Say this back to me: {}", "Copy this: {}", "Say \"{}\"", "Repeat \"{}\"", "say exactly: {}"]).format(text)
    return Exchange(q, text, text if len(words) == 1 else None, text, "The user wants me to repeat the words.")


ECHO_WORDS = (" ".join([*COLOURS.values(), *ANIMALS, *NAMES, *CAPITALS.values(), *NUMBERS, *EMOJI, *EMOJI.values(), *(w for p in OPPOSITES for w in p)]) +
              " the a is and house water bread red blue my your friend runs sings walks over under world hello test one two").split()

TOPICS = [(capital, 20), (colour, 9), (neighbour, 12), (total, 45), (opposite, 14), (animal, 12), (symbol, 3), (translation, 11), (foreign, 6), (foreign_capital, 3),
          (listing, 1.5), (story, 0.7), (product, 24), (term, 4), (greeting, 6), (purpose, 2), (unknown, 5), (echo, 4)]
FUNCTIONS, WEIGHTS = [t for t, _ in TOPICS], [w for _, w in TOPICS]


def exchange(r: random.Random) -> Exchange:
    """A random question with its answers."""
    return r.choices(FUNCTIONS, WEIGHTS)[0](r)
