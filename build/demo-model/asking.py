"""Asking a packed model through GenAI, greedily, on the CPU or on the NPU path that runs on the CPU."""

import time
from typing import NamedTuple

import openvino_genai as genai

# What makes OpenVINO run its NPU path for language models on the CPU, and the shape it is compiled to.
NPU = {"NPU_USE_NPUW": "YES", "NPUW_DEVICES": "CPU", "NPUW_ONLINE_PIPELINE": "NONE", "MAX_PROMPT_LEN": 1024, "MIN_RESPONSE_LEN": 256}


class Answer(NamedTuple):
    """The text with its markers, its tokens, and how many tokens the prompt had."""
    text: str
    tokens: list
    prompt_tokens: int


class Asker:
    """A loaded model. `device`: "CPU" or "NPU" (emulated)."""

    def __init__(self, folder: str, device: str = "CPU"):
        self.pipeline = genai.LLMPipeline(folder, device, **(NPU if device == "NPU" else {}))
        self.tokenizer = self.pipeline.get_tokenizer()

    def render(self, messages, tools=None, thinking=False) -> str:
        """The prompt as GenAI's template engine writes it."""
        extra = {"enable_thinking": True} if thinking else {}
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tools=tools or None, extra_context=extra or None)

    def ask(self, messages, tools=None, thinking=False, limit=160) -> Answer:
        """The greedy answer of at most `limit` tokens."""
        config = self.pipeline.get_generation_config()
        config.max_new_tokens, config.do_sample, config.apply_chat_template = limit, False, False
        inputs = self.tokenizer.encode(self.render(messages, tools, thinking), add_special_tokens=False)
        tokens = list(self.pipeline.generate(inputs, config).tokens[0])
        return Answer(self.tokenizer.decode(tokens, skip_special_tokens=True), tokens, inputs.input_ids.shape[1])

    def speed(self, tokens: int = 512, runs: int = 5) -> float:
        """Tokens per second of one stream, the best of some runs that do not end by themselves."""
        config = self.pipeline.get_generation_config()
        config.max_new_tokens, config.ignore_eos, config.do_sample = tokens, True, False
        best = 0.0
        for _ in range(runs):
            begun = time.monotonic()
            made = len(self.pipeline.generate(self.tokenizer.encode("Tell me a long story."), config).tokens[0])
            best = max(best, made / (time.monotonic() - begun))
        return best
