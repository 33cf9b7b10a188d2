"""Tools as clients declare them (names, descriptions and parameters vary), questions that need them, calls and results."""

import json
import random
from typing import NamedTuple

from knowledge import CITIES, NAMES
from wording import expand, noisy

SYLLABLES = "ba be bo da di do ka ko la le li lo ma me mi mo na ne no ra re ri ro sa se so ta te to va vi za zu gra bel dor fin mar nor sten ton ville berg".split()


def made_up(r: random.Random) -> str:
    """A name that is on no list, so that copying is learned and not the list alone."""
    return "".join(r.choice(SYLLABLES) for _ in range(r.choice((2, 2, 3)))).capitalize()


def city(r):
    return r.choice(CITIES) if r.random() < 0.7 else made_up(r)


def person(r):
    return r.choice(NAMES) if r.random() < 0.7 else made_up(r)


class Kind(NamedTuple):
    """A family of tools: how they are called, described and asked for, what they return and how that is told."""
    names: str
    descriptions: str
    parameters: list  # (names, JSON type, descriptions)
    draw: object      # Random -> tuple of arguments
    ask: str          # a form with {0}, {1} for the arguments
    results: object   # (Random, arguments) -> (result object or text, sentence)


CITY_PARAMETER = ("city|city|location|place|town|city_name", "string",
                  "The city|Name of the city|The city name|City|City to look up|The city, e.g. San Francisco|The city and state, e.g. San Francisco, CA|The place|Where|The town|The name of a city, e.g. London")
NAME_PARAMETER = ("name|name|person|contact|who|user", "string", "The name|Name of the person|The person|Who it is|The contact's name|First name, e.g. Anna")
SKIES = "sunny cloudy rainy snowy windy foggy clear stormy warm cold".split()


def weather_result(r, a):
    t, sky = r.randrange(-15, 41), r.choice(SKIES)
    key = r.choice(["temperature", "temperature", "temp", "temp_c", "degrees", "temperature_c"])
    skykey = r.choice(["condition", "condition", "conditions", "weather", "sky", "description", "forecast", "summary"])
    kind = r.randrange(10)
    if kind < 6:
        pairs = [(key, t), (skykey, sky)]
        if r.random() < 0.3:
            pairs.append(("city", a[0]))
        if r.random() < 0.2:
            pairs.append((r.choice(["humidity", "wind"]), r.randrange(5, 90)))
        if r.random() < 0.2:
            pairs.append(("unit", r.choice(["celsius", "C"])))
        r.shuffle(pairs)
        return dict(pairs), f"It is {sky} in {a[0]}, {t} degrees."
    if kind < 8:
        return {key: t}, f"It is {t} degrees in {a[0]}."
    if kind < 9:
        return r.choice([f"{sky}, {t} degrees", f"{sky} {t}°C", f"{t} degrees and {sky}", f"{sky}, {t}C", f"{t}°C, {sky}"]), f"It is {sky} in {a[0]}, {t} degrees."
    return r.choice([{skykey: sky}, sky]), f"It is {sky} in {a[0]}."


def valued(keys, sentence, value):
    """A result with one telling value under one of the keys, or the value alone."""
    def result(r, a):
        v = value(r, a)
        body = {r.choice(keys.split("|")): v}
        if r.random() < 0.2:
            body = {**body, "status": "ok"} if r.random() < 0.5 else {"status": "ok", **body}
        return (v if isinstance(v, str) else str(v)) if r.random() < 0.15 else body, sentence.format(*a, v=v)
    return result


def done(sentence):
    def result(r, a):
        return r.choice([{"ok": True}, {"status": "ok"}, {"success": True}, "ok", "done", {"status": "done"}, {"result": "ok"}]), sentence.format(*a)
    return result


def number(r):
    return r.choice((r.randrange(10), r.randrange(100), r.randrange(1000), r.randrange(10000)))


PLEASE = "(what is|what's|whats|tell me|give me|find|look up|get|check|i need|show me)"
QUERIES = "cats|dogs|old houses|red cars|a good pizza|cheap hotels|the news|green tea|fast trains|winter shoes|long books|small dogs|sad songs|new games|blue flowers|water sports".split("|")
TEXTS = "hello|good night|i am late|see you soon|happy birthday|thank you|the house is open|call me|i am here|come home|yes|no|good morning|the dog is happy".split("|")
ROOMS = "kitchen|bedroom|bathroom|office|garage|garden|living room|hall".split("|")

KINDS = {
    "weather": Kind("weather|current_weather|weather_report|forecast|weather_forecast|temperature", "(Get|Return|Look up|Fetch|Tells|) (the|) (current|) (weather|temperature|forecast) (of|in|for) a (given|) (city|place|location)|Weather (of|for) a city|Current weather|Get weather|Get the current weather",
        [CITY_PARAMETER], lambda r: (city(r),),
        f"(what is|what's|how is|how's|whats|tell me|give me|check|get|show me|i need|look up) the (weather|current weather|weather like|temperature|forecast) (in|for|at) {{0}} (now|today|right now|at the moment|)|weather (in|for) {{0}}|{{0}} weather|(is it|will it be) (sunny|cold|warm|raining|hot|rainy|snowing|windy) in {{0}} (today|now|tomorrow|)|how (warm|cold|hot) is it in {{0}} (now|today|)|do i need (an umbrella|a coat|a jacket) in {{0}}|does it (rain|snow) in {{0}}|temperature in {{0}}|what does the weather do in {{0}}|{{0}}, how is the weather|i am going to {{0}}, how is the weather (there|)|how many degrees (are there|is it) in {{0}}|(today's|the) weather of {{0}}|what weather (do they have|is it|is there) in {{0}}|in {{0}}, (is it warm|how is the weather|what is the weather)",
        weather_result),
    "time": Kind("time|current_time|local_time|clock|world_clock|time_now", "(Get|Return|Tell|Look up|) the (current|local|) time (in|of|for) a (city|place)|Current time|Local time in a city|Get current time",
        [CITY_PARAMETER], lambda r: (city(r),),
        f"what time is it in {{0}} (now|right now|)|(what is|what's|tell me|give me|get|check|i need) the (time|local time|current time|clock) (in|for|of) {{0}}|time in {{0}}|{{0}} time|what does the clock say in {{0}}|how late is it in {{0}}|(what is|what's) the hour in {{0}}|current time {{0}}|which time do they have in {{0}}|in {{0}}, what time is it|what is {{0}}'s time|is it (late|early|night|morning) in {{0}} (now|)|i want to call {{0}}, what time is it there|local time {{0}}",
        valued("time|time|local_time|now|clock|result", "It is {v} in {0}.", lambda r, a: f"{r.randrange(24):02d}:{r.randrange(60):02d}")),
    "population": Kind("population|city_population|inhabitants|people_count|population_of_city", "(Get|Return|Look up|) the (population|number of inhabitants|number of people) of a city|Population of a city|How many people live in a city",
        [CITY_PARAMETER], lambda r: (city(r),),
        f"how many (people|persons|inhabitants) (live in|does) {{0}} (have|)|{PLEASE} the (population|number of people|number of inhabitants) of {{0}}|population of {{0}}|{{0}} population|how big is (the population of|) {{0}}|how many live in {{0}}|how many inhabitants has {{0}}|people in {{0}}|how large is {{0}}",
        valued("population|inhabitants|people|count|result|value", "{0} has {v} inhabitants.", lambda r, a: r.randrange(1, 999) * 1000)),
    "phone": Kind("phone|phone_number|contact_number|telephone|contact|phone_book", "(Get|Find|Look up|) the phone number of a (person|contact)|Phone book|Find a contact's number|Look up a phone number",
        [NAME_PARAMETER], lambda r: (person(r),),
        f"{PLEASE} the (phone number|number|telephone number|phone|mobile number) of {{0}}|{PLEASE} {{0}}'s (phone number|number|telephone|phone)|how can i call {{0}}|phone number of {{0}}|{{0}}'s number|{{0}} phone|what number does {{0}} have|i want to call {{0}}|at what number can i reach {{0}}|which number must i dial for {{0}}|number for {{0}}",
        valued("phone|number|phone_number|telephone|result", "The number of {0} is {v}.", lambda r, a: f"555-{r.randrange(10000):04d}")),
    "birthday": Kind("birthday|birth_date|birthday_of|date_of_birth|birth_day", "(Get|Find|Look up|) the birthday of a person|Birthday of a person|When someone was born|Date of birth",
        [NAME_PARAMETER], lambda r: (person(r),),
        f"when is {{0}}'s birthday|when was {{0}} born|when is the birthday of {{0}}|{PLEASE} the (birthday|date of birth|birth date) of {{0}}|{{0}}'s birthday|birthday of {{0}}|on (which|what) day was {{0}} born|when does {{0}} have birthday|{PLEASE} {{0}}'s birthday|what day is {{0}}'s birthday",
        valued("birthday|date|birth_date|born|result", "The birthday of {0} is {v}.", lambda r, a: f"{r.choice('January March May June August October'.split())} {r.randrange(1, 29)}")),
    "timer": Kind("timer|set_timer|start_timer|countdown|alarm", "(Set|Start) a (timer|countdown) (for some minutes|)|Timer|Start a countdown in minutes",
        [("minutes|minutes|duration|duration_minutes|time", "integer", "Minutes|How many minutes|Duration in minutes|Number of minutes")], lambda r: (r.choice((r.randrange(1, 60), r.randrange(1, 200))),),
        "(set|start|make|create|run|put) a (timer|countdown) (for|of|to) {0} (minutes|min)|timer {0} minutes|{0} minutes timer|wake me in {0} minutes|a timer of {0} minutes|remind me in {0} minutes|start a {0} minute (timer|countdown)|i need a timer for {0} minutes|countdown {0} minutes|tell me when {0} minutes are over",
        done("The timer is set for {0} minutes.")),
    "add": Kind("add|add_numbers|sum|calculator_add|plus|addition", "Add two numbers|(Return|Compute|) the sum of two numbers|Adds two numbers|Sum",
        [("a|x|first|left", "integer|number", "The first number|First number|A number"), ("b|y|second|right", "integer|number", "The second number|Second number|Another number")],
        lambda r: (number(r), number(r)),
        "(what is|what's|how much is|calculate|compute|tell me) {0} (plus|+|and) {1}|add {0} and {1}|{0} (plus|+) {1}|the sum of {0} and {1}|(what is|calculate) the sum of {0} and {1}|what do {0} and {1} make|{0}+{1}|sum up {0} and {1}|what do you get when you add {0} and {1}",
        lambda r, a: ((lambda s: (r.choice([{"result": s}, {"sum": s}, str(s), {"value": s}, {"total": s}]), f"The sum of {a[0]} and {a[1]} is {s}."))(a[0] + a[1]))),
    "light": Kind("light|turn_on_light|light_on|switch_light|lamp", "(Turn|Switch) on the light in a room|Light control|Turn the light on",
        [("room|room|place|where|area", "string", "The room|Name of the room|Which room|Room")], lambda r: (r.choice(ROOMS),),
        "(turn|switch|put) on the (light|lamp|lights) in the {0}|light in the {0} please|(light|lights) on in the {0}|(turn|switch) the {0} (light|lamp|lights) on|make light in the {0}|i need light in the {0}|it is dark in the {0}|{0} light on|the {0} is too dark",
        done("The light in the {0} is on.")),
    "search": Kind("search|web_search|search_web|find|query|lookup", "(Search|Look up something on) the (web|internet)|Web search|Search engine|Find pages on the web",
        [("query|query|q|text|search_term", "string", "The query|What to search for|Search words|Search text")], lambda r: (r.choice(QUERIES) if r.random() < 0.7 else made_up(r),),
        "(search|look|google) (for|) {0} (on the web|online|on the internet|in the internet|)|find {0} (on the web|online)|search the (web|internet) for {0}|look up {0} (online|on the web)|web search: {0}|what does the (web|internet) say about {0}|do a (web|) search for {0}",
        valued("result|results|answer|title|text", "I found this: {v}.", lambda r, a: r.choice(["A guide to {}", "All about {}", "{} in pictures", "Ten facts about {}", "The best of {}"]).format(a[0]))),
    "message": Kind("message|send_message|send_text|text_person|send_sms", "Send a (text|short|) message to a person|Send a message|Text someone|Sends an SMS",
        [("to|to|recipient|name|person|receiver", "string", "Who gets it|The person|The recipient|Name of the receiver"), ("text|text|message|body|content", "string", "The text|What to say|The message|Text of the message")],
        lambda r: (person(r), r.choice(TEXTS)),
        "(send|write|text) (a message to|) {0}: {1}|(tell|text) {0}: {1}|send {0} the message {1}|message {0}: {1}|(send|write) {0} a message (that says|saying) {1}|(send|write) '{1}' to {0}|tell {0} '{1}'|send \"{1}\" to {0}|please text {0} {1}",
        done("The message to {0} is sent.")),
}
DISTRACTORS = [("play_music", "Play a song", "song"), ("book_table", "Book a table in a restaurant", "restaurant"), ("create_file", "Create a file", "path"), ("open_door", "Open a door", "door"),
               ("delete_user", "Delete a user", "user_id"), ("convert_currency", "Convert an amount of money", "amount"), ("get_stock_price", "Get the price of a stock", "symbol"), ("order_food", "Order food", "dish"),
               ("read_file", "Read a file", "path"), ("run_query", "Run a database query", "sql"), ("list_users", "List all users", "limit"), ("take_photo", "Take a photo", "camera")]
PREFIXES = "get_|get_|get_|fetch_|lookup_|find_|read_|show_||||my_".split("|")
SUFFIXES = "||||||_tool|_info|_now|_v2|_for_user".split("|")


def tool_name(r, kind: Kind) -> str:
    """get_weather, weather, currentWeather, fetch_forecast_v2 …"""
    base = r.choice(kind.names.split("|")[:2] if r.random() < 0.5 else kind.names.split("|"))
    verb = base.split("_")[0] in {"set", "start", "turn", "send", "switch", "add", "search", "find"}
    if r.random() < 0.5:
        return base if verb else r.choice(("get_", "get_", "find_")) + base
    name = ("" if verb else r.choice(PREFIXES)) + base + r.choice(SUFFIXES)
    if r.random() < 0.15:
        head, *tail = name.split("_")
        name = head + "".join(t.capitalize() for t in tail)
    return name


def declare(r, name, description, parameters):
    """One function in the form that clients send. `parameters`: (name, type, description)."""
    properties = {}
    for n, t, d in parameters:
        properties[n] = {"type": t, "description": d} if r.random() < 0.7 else {"type": t}
    if r.random() < 0.12:
        properties[r.choice(["unit", "units", "language", "format"])] = r.choice([{"type": "string", "enum": ["celsius", "fahrenheit"]}, {"type": "string"}])
    schema = {"type": "object", "properties": properties}
    if r.random() < 0.85:
        schema["required"] = [n for n, _, _ in parameters]
    if r.random() < 0.1:
        schema["additionalProperties"] = False
    function = {"name": name, "description": description, "parameters": schema}
    if r.random() < 0.06:
        del function["description"]
    if r.random() < 0.12:
        items = list(function.items())
        r.shuffle(items)
        function = dict(items)
    return {"type": "function", "function": function}


class Tool(NamedTuple):
    """A declared tool: its kind (None for one that is never asked for), its name and its parameters' names."""
    kind: str | None
    name: str
    parameters: tuple
    declaration: dict


def tool(r: random.Random, kind: str | None) -> Tool:
    """A declaration of that kind, or of a tool that no question needs."""
    if kind is None:
        name, description, parameter = r.choice(DISTRACTORS)
        return Tool(None, name, (parameter,), declare(r, name, description, [(parameter, r.choice(["string", "string", "integer"]), "The " + parameter)]))
    k = KINDS[kind]
    parameters, used = [], set()
    for names, types, descriptions in k.parameters:
        n = r.choice([x for x in names.split("|") if x not in used])
        used.add(n)
        parameters.append((n, r.choice(types.split("|")), r.choice(descriptions.split("|"))))
    if len(parameters) == 2 and kind == "add":
        pair = r.choice([("a", "b"), ("a", "b"), ("a", "b"), ("a", "b"), ("x", "y"), ("first", "second"), ("left", "right")])
        parameters = [(pair[i], parameters[0][1], p[2]) for i, p in enumerate(parameters)]
    name = tool_name(r, k)
    return Tool(kind, name, tuple(p[0] for p in parameters), declare(r, name, expand(r, r.choice(split_top(k.descriptions))), parameters))


def split_top(form: str) -> list:
    """The alternatives of a form at its top level."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(form):
        depth += (c == "(") - (c == ")")
        if c == "|" and depth == 0:
            out.append(form[start:i])
            start = i + 1
    return out + [form[start:]]


def call_text(name: str, arguments: dict) -> str:
    """The Hermes form of a call."""
    return f'<tool_call>\n{json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)}\n</tool_call>'


def question(r: random.Random, kind: str, arguments: tuple) -> str:
    """A question that needs this tool with these arguments. Lower-cased ones keep the argument's letters."""
    shown = tuple(str(a) for a in arguments)
    form = expand(r, r.choice(split_top(KINDS[kind].ask)))
    text = noisy(r, form.format(*shown), keep=True, order=True)
    return text
