#!/usr/bin/env python3
"""Make a random Llama chat model of any shape in OpenVINO's layout, in seconds: `make_tiny_llm.py OUT [--hidden 64 …]`.

Needs the openvino-genai wheel and numpy, nothing else. The weights are random but biased, so that the text is printable and
JSON under a grammar closes. For speed runs in the shape of TinyLlama-1.1B: --vocab 32000 --max-merges 512 --hidden 2048
--layers 22 --heads 32 --kv-heads 4 --ffn 5632 --kind q4_0 (CPU and GPU only: the NPU path takes f16 and q8_0)."""

import argparse
import os

import numpy as np

import bpe
import fix_ir
import gguf
import pack

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def sample_text() -> str:
    """Text to learn merges from: what lies here."""
    text = ""
    for name in sorted(os.listdir(pack.HERE)):
        if name.endswith((".py", ".jinja", ".txt", ".md")):
            with open(os.path.join(pack.HERE, name), encoding="utf-8") as file:
                text += file.read()
    return text[:200_000]


def output_bias(vocabulary: list) -> np.ndarray:
    """What is added to each token's logit: printable ASCII, few bare blanks (JSON under a schema would drown in them), an end now and then."""
    bias = np.zeros(len(vocabulary), np.float32)
    for i, token in enumerate(vocabulary):
        raw = bpe.token_bytes(token)
        if token.startswith("<|"):
            bias[i] = -4 if token == "<|im_end|>" else -60
        elif not all(32 <= b < 127 for b in raw):
            bias[i] = -60
        elif not raw.strip():
            bias[i] = -30
    return bias


def random_tensor(rng, name: str, shape: tuple, bias: np.ndarray) -> np.ndarray:
    """One tensor. GenAI knows no bias on the output: channel 0 of the residual stream is held constant, so that column 0 of the output acts as one."""
    if len(shape) == 1:
        return 1 + 0.01 * rng.standard_normal(shape, dtype=np.float32)
    outer = name in ("token_embd.weight", "output.weight")
    a = rng.standard_normal(shape, dtype=np.float32) * (1.0 if outer else shape[1] ** -0.5)
    if name.endswith(("attn_output.weight", "ffn_down.weight")):
        a[0] = 0
    elif name == "token_embd.weight":
        a[:, 0] = 4
    elif name == "output.weight":
        a[:, 0] = bias
    return a


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    for name, value in (("vocab", 512), ("hidden", 64), ("layers", 2), ("heads", 4), ("kv-heads", 2), ("ffn", 128), ("ctx", 2048), ("seed", 0), ("max-merges", 100_000)):
        ap.add_argument("--" + name, type=int, default=value)
    ap.add_argument("--kind", choices=["f16", "q8_0", "q4_0"], default="f16")
    a = ap.parse_args()
    c = {"vocab": a.vocab, "hidden": a.hidden, "layers": a.layers, "heads": a.heads, "kv_heads": a.kv_heads, "ffn": a.ffn, "ctx": a.ctx, "tied": False}
    os.makedirs(a.out, exist_ok=True)
    vocabulary, merges = bpe.train(sample_text(), a.vocab, a.max_merges, CONTROL)
    bos, eos = vocabulary.index("<|endoftext|>"), vocabulary.index("<|im_end|>")
    with open(os.path.join(pack.HERE, "template.jinja"), encoding="utf-8") as file:
        template = file.read().strip()
    rng, bias, path = np.random.default_rng(a.seed), output_bias(vocabulary), os.path.join(a.out, "model.gguf")
    tensors = [(name, shape, "f32" if len(shape) == 1 else a.kind, lambda name=name, shape=shape: random_tensor(rng, name, shape, bias)) for name, shape in gguf.tensor_shapes(c)]
    gguf.write(path, gguf.metadata(c, vocabulary, merges, set(CONTROL), bos, eos, template, a.kind), tensors)
    pack.ir_from_gguf(path)
    os.remove(path)
    fix_ir.fix(a.out)
    pack.write_configs(a.out, c, bos, eos)
    pack.write_tokenizer_configs(a.out, a.ctx, template, [
        {"id": vocabulary.index(t), "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} for t in CONTROL])
    print({name: os.path.getsize(os.path.join(a.out, name)) for name in sorted(os.listdir(a.out))})


if __name__ == "__main__":
    main()
