"""A GGUF writer for Llama-type models, as far as GenAI's own GGUF reader needs it. numpy only."""

import struct

import numpy as np

SCALARS = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f")}
STRING, ARRAY = 8, 9
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7}
TENSOR_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8}
ALIGNMENT = 32
NORMAL, CONTROL = 1, 3  # kinds of token


def string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str, kind, value) -> bytes:
    """One metadata entry. `kind`: a scalar's name, "str", or ("arr", item kind)."""
    def packed(k, v):
        return string(v) if k == "str" else struct.pack(SCALARS[k][1], v)

    def code(k):
        return STRING if k == "str" else SCALARS[k][0]

    if isinstance(kind, tuple):
        return string(key) + struct.pack("<IIQ", ARRAY, code(kind[1]), len(value)) + b"".join(packed(kind[1], v) for v in value)
    return string(key) + struct.pack("<I", code(kind)) + packed(kind, value)


def quantized(a: np.ndarray, kind: str) -> bytes:
    """The array's bytes in f32, f16, or ggml's q8_0 or q4_0 (blocks of 32 with one float16 scale)."""
    if kind in ("f32", "f16"):
        return a.astype("<f4" if kind == "f32" else "<f2").tobytes()
    block = a.reshape(-1, 32).astype(np.float32)
    if kind == "q8_0":
        scale = np.maximum(np.abs(block).max(1, keepdims=True) / 127, 1e-6).astype("<f2")
        value = np.clip(np.rint(block / scale.astype(np.float32)), -127, 127).astype(np.int8)
        return np.concatenate([scale.view(np.uint8), value.view(np.uint8)], 1).tobytes()
    largest = np.take_along_axis(block, np.abs(block).argmax(1)[:, None], 1)
    scale = np.where(np.abs(largest) < 8e-6, 1e-6, largest / -8).astype("<f2")
    value = np.clip(np.floor(block / scale.astype(np.float32) + 8.5), 0, 15).astype(np.uint8)
    return np.concatenate([scale.view(np.uint8), value[:, :16] | (value[:, 16:] << 4)], 1).tobytes()


def size(shape, kind: str) -> int:
    """Bytes of a tensor."""
    n = int(np.prod(shape))
    return {"f32": 4 * n, "f16": 2 * n, "q8_0": n // 32 * 34, "q4_0": n // 32 * 18}[kind]


def tensor_shapes(c: dict) -> list:
    """(name, shape) of every tensor of a Llama with tied or untied output. `c`: vocab, hidden, layers, heads, kv_heads, ffn, tied."""
    h, f, kv = c["hidden"], c["ffn"], c["hidden"] // c["heads"] * c["kv_heads"]
    out = [("token_embd.weight", (c["vocab"], h))]
    for i in range(c["layers"]):
        out += [(f"blk.{i}.{name}.weight", shape) for name, shape in (
            ("attn_norm", (h,)), ("attn_q", (h, h)), ("attn_k", (kv, h)), ("attn_v", (kv, h)), ("attn_output", (h, h)),
            ("ffn_norm", (h,)), ("ffn_gate", (f, h)), ("ffn_up", (f, h)), ("ffn_down", (h, f)))]
    out.append(("output_norm.weight", (h,)))
    if not c["tied"]:
        out.append(("output.weight", (c["vocab"], h)))
    return out


def metadata(c: dict, vocab: list, merges: list, control: set, bos: int, eos: int, template: str, kind: str) -> list:
    """What GenAI's reader asks for. `merges`: pairs; `control`: the tokens that decoding skips."""
    return [
        ("general.architecture", "str", "llama"), ("general.name", "str", "demo"), ("general.file_type", "u32", FILE_TYPES[kind]),
        ("llama.context_length", "u32", c["ctx"]), ("llama.embedding_length", "u32", c["hidden"]), ("llama.block_count", "u32", c["layers"]),
        ("llama.feed_forward_length", "u32", c["ffn"]), ("llama.attention.head_count", "u32", c["heads"]),
        ("llama.attention.head_count_kv", "u32", c["kv_heads"]), ("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5),
        ("llama.rope.freq_base", "f32", 10000.0), ("llama.rope.dimension_count", "u32", c["hidden"] // c["heads"]), ("llama.vocab_size", "u32", c["vocab"]),
        ("tokenizer.ggml.model", "str", "gpt2"), ("tokenizer.ggml.pre", "str", "qwen2"), ("tokenizer.ggml.tokens", ("arr", "str"), vocab),
        ("tokenizer.ggml.token_type", ("arr", "i32"), [CONTROL if t in control else NORMAL for t in vocab]),
        ("tokenizer.ggml.merges", ("arr", "str"), [f"{a} {b}" for a, b in merges]),
        ("tokenizer.ggml.bos_token_id", "u32", bos), ("tokenizer.ggml.eos_token_id", "u32", eos), ("tokenizer.ggml.padding_token_id", "u32", bos),
        ("tokenizer.chat_template", "str", template)]


def write(path: str, meta: list, tensors: list):
    """`tensors`: (name, shape, kind, function that returns the array). One tensor is in memory at a time."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(meta)) + b"".join(entry(*m) for m in meta)
    offset = 0
    for name, shape, kind, _ in tensors:
        head += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in reversed(shape))
        head += struct.pack("<IQ", TENSOR_TYPES[kind], offset)
        offset += -(-size(shape, kind) // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % ALIGNMENT))
        for name, shape, kind, get in tensors:
            array = get()
            if array.shape != tuple(shape):
                raise ValueError(f"{name} has the shape {array.shape}, expected {shape}.")
            data = quantized(array, kind)
            file.write(data + b"\0" * (-len(data) % ALIGNMENT))
