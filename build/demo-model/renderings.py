#!/usr/bin/env python3
"""Render the conversations of renderings.json with transformers' own chat templates and write what came out beside each of them:
`renderings.py`. tests/demo-model.test.ts wants the same from GenAI. Run it again after a change of template.jinja."""

import hashlib
import json
import os

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    path = os.path.join(HERE, "renderings.json")
    template = open(os.path.join(HERE, "template.jinja"), encoding="utf-8").read()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    tokenizer.chat_template = template
    file = json.load(open(path, encoding="utf-8"))
    for case in file["cases"]:
        case["rendered"] = tokenizer.apply_chat_template(case["messages"], tools=case.get("tools"), tokenize=False,
                                                         add_generation_prompt=case.get("add_generation_prompt", True), **case.get("extra", {}))
    file["template_sha256"] = hashlib.sha256(template.encode()).hexdigest()
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(file, out, ensure_ascii=False, indent=1)
        out.write("\n")
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
