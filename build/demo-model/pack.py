#!/usr/bin/env python3
"""Checkpoint to model directory: `pack.py RUN OUT`. RUN is train.py's folder; OUT is replaced as a whole when everything is there.

Weights go to int8 (ggml q8_0, embeddings in float16: an int8 embedding that is also the output does not compile on the NPU
path), through a GGUF that GenAI reads and writes as IR; the tokenizer is converted from tokenizer.json."""

import json
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
START, END = "<|endoftext|>", "<|im_end|>"


def ir_from_gguf(path: str):
    """GenAI writes openvino_model.* and its tokenizer beside the GGUF."""
    import openvino_genai
    pipeline = openvino_genai.LLMPipeline(path, "CPU", enable_save_ov_model=True)
    del pipeline


def dump(folder: str, name: str, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)


def write_configs(folder: str, c: dict, bos: int, eos: int):
    """config.json and generation_config.json. `c` as in gguf.tensor_shapes, with ctx. Greedy by default."""
    dump(folder, "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": c["hidden"], "intermediate_size": c["ffn"],
        "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"], "num_key_value_heads": c["kv_heads"], "head_dim": c["hidden"] // c["heads"],
        "vocab_size": c["vocab"], "max_position_embeddings": c["ctx"], "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": c["tied"], "bos_token_id": bos, "eos_token_id": eos, "pad_token_id": bos})
    dump(folder, "generation_config.json", {"bos_token_id": bos, "eos_token_id": [eos, bos], "pad_token_id": bos, "do_sample": False})


def write_tokenizer_configs(folder: str, context: int, template: str, added: list):
    """tokenizer_config.json and special_tokens_map.json. `added`: the added tokens as tokenizer.json lists them."""
    dump(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": START, "eos_token": END, "pad_token": START, "chat_template": template,
        "model_max_length": context, "add_bos_token": False, "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added}})
    dump(folder, "special_tokens_map.json", {"bos_token": START, "eos_token": END, "pad_token": START})


def write_tokenizer(folder: str, source: str, context: int, template: str):
    """tokenizer.json and its OpenVINO form, the chat template in it. The tool and thinking markers stay ordinary tokens."""
    import openvino as ov
    from openvino_tokenizers import convert_tokenizer
    from transformers import PreTrainedTokenizerFast
    import fix_ir
    fast = PreTrainedTokenizerFast(tokenizer_file=source, bos_token=START, eos_token=END, pad_token=START, model_max_length=context, clean_up_tokenization_spaces=False)
    fast.chat_template = template
    for name, model in zip(("openvino_tokenizer", "openvino_detokenizer"), convert_tokenizer(fast, with_detokenizer=True, skip_special_tokens=True)):
        ov.save_model(model, os.path.join(folder, name + ".xml"))
        fix_ir.squeeze(os.path.join(folder, name + ".xml"))
    shutil.copy(source, os.path.join(folder, "tokenizer.json"))
    with open(source, encoding="utf-8") as file:
        write_tokenizer_configs(folder, context, template, json.load(file)["added_tokens"])


def replace_folder(new: str, old: str):
    """Put `new` where `old` is, so that nobody finds half a model."""
    aside = old.rstrip("/") + ".old"
    shutil.rmtree(aside, ignore_errors=True)
    if os.path.exists(old):
        os.rename(old, aside)
    os.rename(new, old)
    shutil.rmtree(aside, ignore_errors=True)


def main(run: str, out: str):
    import torch
    import fix_ir
    import gguf
    from network import Network, Shape, gguf_weights
    shape = Shape()
    net = Network(shape)
    net.load_state_dict(torch.load(os.path.join(run, "final.pt"))["net"])
    weights = gguf_weights(net)
    source = os.path.join(run, "tokenizer.json")
    with open(source, encoding="utf-8") as file:
        bpe = json.load(file)["model"]
    vocab = [t for t, _ in sorted(bpe["vocab"].items(), key=lambda pair: pair[1])]
    with open(os.path.join(HERE, "template.jinja"), encoding="utf-8") as file:
        template = file.read().strip()
    c = {"vocab": shape.vocabulary, "hidden": shape.hidden, "layers": shape.layers, "heads": shape.heads, "kv_heads": shape.kv_heads, "ffn": shape.ffn, "ctx": shape.context, "tied": True}
    bos, eos = vocab.index(START), vocab.index(END)
    folder = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(out)))
    path = os.path.join(folder, "model.gguf")
    tensors = [(name, s, "f32" if len(s) == 1 else "f16" if name == "token_embd.weight" else "q8_0", lambda name=name: weights[name]) for name, s in gguf.tensor_shapes(c)]
    gguf.write(path, gguf.metadata(c, vocab, bpe["merges"], {START, "<|im_start|>", END}, bos, eos, template, "q8_0"), tensors)
    ir_from_gguf(path)
    os.remove(path)
    fix_ir.fix(folder)
    write_configs(folder, c, bos, eos)
    write_tokenizer(folder, source, shape.context, template)
    os.chmod(folder, 0o755)
    replace_folder(folder, os.path.abspath(out))
    sizes = {name: os.path.getsize(os.path.join(out, name)) for name in sorted(os.listdir(out))}
    print(sum(sizes.values()), sizes)


if __name__ == "__main__":
    main(*sys.argv[1:])
