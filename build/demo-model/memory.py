"""What a conversation keeps: the names of the two, and things to be remembered."""

import tools
from exchange import Exchange
from knowledge import NAMES
from topics import ECHO_WORDS
from wording import expand, noisy


def persona(r):
    """A name for the assistant, mostly one that is on no list."""
    return r.choice(NAMES + ["Nova", "Robo", "Max", "Iris", "Captain", "Pixel", "Luna", "Atlas"]) if r.random() < 0.5 else tools.made_up(r)


def own_name(r, name):
    q = expand(r, "(what is your name|what's your name|who are you|whats your name|what are you called|tell me your name|your name|do you have a name|how are you called|what should i call you|may i know your name|introduce yourself|what do people call you|how do i call you|say your name|and you are|what name do you have|with whom do i speak|who am i talking to)")
    return Exchange(noisy(r, q), f"My name is {name}.", name, name, f"The user asks for my name. It is {name}.")


def user_name(r, name):
    q = expand(r, f"(my name is {name}|i am {name}|call me {name}|i'm {name}|this is {name}|you can call me {name}|my name's {name}|people call me {name}|{name} is my name|{name} here|hello, i am {name}|hi, my name is {name}|hello, my name is {name})")
    return Exchange(noisy(r, q, keep=True, order=True), f"Nice to meet you, {{}}. How can I help you today?", "Hello", "Hello", "The user tells a name. I greet.")


def ask_user_name(r, name):
    q = expand(r, "(what is my name|what's my name|who am i|do you remember my name|do you know my name|whats my name|tell me my name|how am i called|what am i called|my name was|did i tell you my name|say my name|what did i say my name was|can you recall my name|remember my name)")
    if name is None:
        return Exchange(noisy(r, q), "You did not tell me your name.", None, None, "The user did not tell a name.")
    return Exchange(noisy(r, q), f"Your name is {name}.", name, name, f"The user told a name. It is {name}.")


SECRETS = ["word", "code", "color", "number", "city", "animal", "friend", "password", "room"]


def secret(r, key):
    """(told, Exchange that asks for it): a thing to be remembered from anywhere above."""
    value = str(r.randrange(10, 10000)) if key in ("code", "number", "room") else tools.made_up(r) if key in ("city", "friend", "password") else r.choice(ECHO_WORDS)
    adjective = r.choice(["secret", "secret", "magic", "special"])
    told = f"The {adjective} {key} is {value}."
    q = expand(r, f"(what is|what's|tell me|do you remember|whats|say|give me|which is|what was) the {adjective} {key}|the {adjective} {key}|{adjective} {key}")
    return told, Exchange(noisy(r, q, keep=True, order=True), told, value, value, f"The user asks for the {adjective} {key}. It is {value}.")
