"""Ollama's Python client embeds three texts; prints one JSON value of what it saw."""

import json
import sys

import ollama

host, model, *texts = sys.argv[1:]
client = ollama.Client(host=host)
seen = {}
seen["embeddings"] = client.embed(model, texts).embeddings
seen["embedding"] = client.embeddings(model, texts[0]).embedding
seen["empty"] = client.embed(model, []).embeddings
try:
    client.embed("nope", texts)
except ollama.ResponseError as error:
    seen["missing"] = error.status_code
print(json.dumps(seen))
