"""The closed lists that the demo model knows. Nothing here is ever learned from elsewhere."""

import os

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Germany": "Berlin", "Egypt": "Cairo",
    "Norway": "Oslo", "Poland": "Warsaw", "Greece": "Athens", "Austria": "Vienna", "Portugal": "Lisbon", "Peru": "Lima",
    "Sweden": "Stockholm", "Finland": "Helsinki", "Denmark": "Copenhagen", "Ireland": "Dublin", "England": "London",
    "Russia": "Moscow", "China": "Beijing", "India": "Delhi", "Cuba": "Havana", "Kenya": "Nairobi", "Canada": "Ottawa",
    "Hungary": "Budapest", "Belgium": "Brussels", "Turkey": "Ankara",
}

COLOURS = {
    "grass": "green", "the sky": "blue", "snow": "white", "coal": "black", "a banana": "yellow", "blood": "red",
    "a lemon": "yellow", "a carrot": "orange", "milk": "white", "a tomato": "red", "the sea": "blue", "a leaf": "green",
    "chocolate": "brown", "the night": "black", "the sun": "yellow", "a rose": "red", "a frog": "green", "wood": "brown",
    "salt": "white", "a strawberry": "red",
}

OPPOSITES = [
    ("hot", "cold"), ("big", "small"), ("fast", "slow"), ("up", "down"), ("day", "night"), ("open", "closed"),
    ("happy", "sad"), ("old", "new"), ("light", "dark"), ("full", "empty"), ("early", "late"), ("wet", "dry"),
    ("left", "right"), ("rich", "poor"), ("strong", "weak"), ("hard", "soft"), ("high", "low"), ("loud", "quiet"),
    ("good", "bad"), ("clean", "dirty"), ("long", "short"), ("true", "false"),
]

# name: (sound, legs, emoji, young one)
ANIMALS = {
    "cat": ("meow", 4, "🐱", "kitten"), "dog": ("woof", 4, "🐶", "puppy"), "bird": ("tweet", 2, "🐦", "chick"),
    "cow": ("moo", 4, "🐮", "calf"), "horse": ("neigh", 4, "🐴", "foal"), "duck": ("quack", 2, "🦆", "duckling"),
    "sheep": ("baa", 4, "🐑", "lamb"), "frog": ("croak", 4, "🐸", "tadpole"), "pig": ("oink", 4, "🐷", "piglet"),
    "lion": ("roar", 4, "🦁", "cub"), "mouse": ("squeak", 4, "🐭", "pup"), "bee": ("buzz", 6, "🐝", "larva"),
    "snake": ("hiss", 0, "🐍", "snakelet"), "wolf": ("howl", 4, "🐺", "pup"),
}

EMOJI = {
    "heart": "❤️", "sun": "☀️", "star": "⭐", "fire": "🔥", "rocket": "🚀", "smile": "😀", "tree": "🌳", "flower": "🌸",
    "pizza": "🍕", "apple": "🍎", "moon": "🌙", "party": "🎉",
}

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
NUMBERS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
           "seventeen eighteen nineteen twenty").split()

# English: (German, French, Spanish)
PHRASES = {
    "hello": ("Hallo", "Bonjour", "Hola"), "good morning": ("Guten Morgen", "Bonjour", "Buenos días"),
    "good night": ("Gute Nacht", "Bonne nuit", "Buenas noches"), "thank you": ("Danke", "Merci", "Gracias"),
    "please": ("Bitte", "S'il vous plaît", "Por favor"), "yes": ("Ja", "Oui", "Sí"), "no": ("Nein", "Non", "No"),
    "water": ("Wasser", "Eau", "Agua"), "bread": ("Brot", "Pain", "Pan"), "cat": ("Katze", "Chat", "Gato"),
    "dog": ("Hund", "Chien", "Perro"), "house": ("Haus", "Maison", "Casa"), "goodbye": ("Auf Wiedersehen", "Au revoir", "Adiós"),
    "friend": ("Freund", "Ami", "Amigo"),
}
LANGUAGES = ("German", "French", "Spanish")

# question in another language: answer in it
FOREIGN = {
    "Guten Tag|Hallo|Guten Morgen|Grüß Gott": "Guten Tag! Wie kann ich Ihnen helfen?",
    "Wie geht es dir|Wie geht's|Wie geht es Ihnen": "Danke, es geht mir gut. Schöne Grüße!",
    "Wie heißt du|Wer bist du|Wie ist dein Name": "Ich heiße Nova und bin ein kleines Modell.",
    "Sprichst du Deutsch|Kannst du Deutsch|Verstehst du Deutsch": "Ja, ein bisschen. Natürlich übe ich noch.",
    "Danke|Vielen Dank|Danke schön": "Gern geschehen!",
    "Tschüss|Auf Wiedersehen": "Tschüss, bis später!",
    "Bonjour|Salut|Bonsoir": "Bonjour ! Comment puis-je vous aider ?",
    "Comment ça va|Ça va|Comment allez-vous": "Ça va très bien, merci beaucoup !",
    "Comment tu t'appelles|Qui es-tu|Quel est ton nom": "Je m'appelle Nova, un petit modèle.",
    "Parles-tu français|Tu parles français|Parlez-vous français": "Oui, un peu. J'étudie le français à l'école.",
    "Merci|Merci beaucoup": "Avec plaisir !",
    "Hola|Buenos días|Buenas tardes": "¡Hola! ¿Cómo puedo ayudarte?",
    "¿Cómo estás|¿Qué tal|Como estas": "¡Muy bien, gracias! ¿Y tú, qué tal?",
    "¿Cómo te llamas|¿Quién eres|Como te llamas": "Me llamo Nova y soy un modelo pequeño.",
    "¿Hablas español|Hablas español": "Sí, un poco. ¡Mañana hablaré más!",
    "Gracias|Muchas gracias": "¡De nada!",
}

DEVICES = {
    "NPU": "The NPU is a small processor for neural networks that needs little power.",
    "GPU": "The GPU is a processor with many cores for large batches.",
    "CPU": "The CPU is the main processor and runs any model.",
}

TERMS = {
    "token": "A token is a small piece of text that a model reads or writes.",
    "prompt": "A prompt is the text that you give to a model.",
    "embedding": "An embedding is a list of numbers for the meaning of a text.",
    "model": "A model is a program that has learned from examples.",
    "server": "A server is a program that answers requests.",
}

# Names and cities that tool questions use; training rotates them and adds made-up ones.
NAMES = ("Anna Ben Clara David Emma Felix Grace Hugo Ida Jack Kate Leo Maria Noah Olga Paul Rosa Sam Tina Uwe Vera Will "
         "Zoe Peter Lisa Tom Eva Max Julia Alice Bob").split()
CITIES = sorted(set(CAPITALS.values()) | set("Munich Hamburg Milan Boston Chicago Seattle Sydney Toronto Lyon Porto Zurich "
                                             "Dubai Mumbai Kyoto Naples Geneva Prague Bremen".split())
                | {"New York", "San Francisco", "Los Angeles"})

FACTS = [line.strip() for line in open(os.path.join(os.path.dirname(__file__), "facts.txt"), encoding="utf-8") if line.strip()]


def fact(start: str) -> str:
    """The one line of facts.txt that starts so; StopIteration if the list and the questions have parted."""
    return next(line for line in FACTS if line.startswith(start))
