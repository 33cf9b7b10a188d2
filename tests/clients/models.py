"""Ollama's Python client through a model's whole life; prints one JSON value of what it saw."""

import json
import pathlib
import sys

import ollama

host, folder = sys.argv[1:]
client = ollama.Client(host=host)


def refusal(call):
    try:
        call()
    except ollama.ResponseError as error:
        return [error.status_code, error.error]
    return None


names = lambda: sorted(model.model for model in client.list().models)

seen = {}
seen["pull"] = [
    [part.status, part.digest, part.total, part.completed] for part in client.pull("test/demo", stream=True)
]
seen["pulled whole"] = client.pull("test/demo").status
seen["missing"] = refusal(lambda: client.pull("test/nothing"))
seen["missing, streamed"] = refusal(lambda: list(client.pull("test/nothing", stream=True)))
shown = client.show("test/demo")
seen["show"] = [shown.capabilities, shown.details.format, shown.modelinfo["general.parameter_count"]]
seen["copy"] = client.copy("test/demo", "copied").status
seen["create"] = [
    part.status
    for part in client.create("derived", from_="copied", system="Answer.", parameters={"seed": 1}, stream=True)
]
seen["system"] = "SYSTEM Answer." in client.show("derived").modelfile
files = {path.name: client.create_blob(path) for path in pathlib.Path(folder).iterdir() if path.is_file()}
seen["uploaded"] = client.create("uploaded", files=files).status
seen["list"] = names()
seen["answer"] = client.generate("uploaded", "What is the capital of France?").response
seen["chat"] = client.chat("derived", [{"role": "user", "content": "What is the capital of France?"}]).message.content
seen["delete"] = [client.delete(name).status for name in ["test/demo", "copied", "derived", "uploaded"]]
seen["deleted"] = [refusal(lambda: client.show("copied")), refusal(lambda: client.delete("copied")), names()]
print(json.dumps(seen))
