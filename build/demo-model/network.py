"""The Llama network in torch: RMS norm, rotary positions (half-split, as transformers lays them out), grouped-query attention, SwiGLU."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    """Dimensions; `head` is `hidden // heads`."""
    vocabulary: int = 1536
    hidden: int = 192
    layers: int = 6
    heads: int = 6
    kv_heads: int = 6
    ffn: int = 448
    context: int = 4096
    theta: float = 10000.0

    @property
    def head(self) -> int:
        return self.hidden // self.heads


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), 1e-5)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Block(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.shape, kv = s, s.kv_heads * s.head
        self.attn_norm, self.ffn_norm = Norm(s.hidden), Norm(s.hidden)
        self.attn_q, self.attn_k, self.attn_v = linear(s.hidden, s.hidden), linear(s.hidden, kv), linear(s.hidden, kv)
        self.attn_output, self.ffn_gate, self.ffn_up = linear(s.hidden, s.hidden), linear(s.hidden, s.ffn), linear(s.hidden, s.ffn)
        self.ffn_down = linear(s.ffn, s.hidden)

    def forward(self, x, cos, sin):
        s, (b, t, _) = self.shape, x.shape
        h = self.attn_norm(x)
        q = rotate(self.attn_q(h).view(b, t, s.heads, s.head).transpose(1, 2), cos, sin)
        k = rotate(self.attn_k(h).view(b, t, s.kv_heads, s.head).transpose(1, 2), cos, sin)
        v = self.attn_v(h).view(b, t, s.kv_heads, s.head).transpose(1, 2)
        k, v = k.repeat_interleave(s.heads // s.kv_heads, 1), v.repeat_interleave(s.heads // s.kv_heads, 1)
        # In float32: its backward pass is nearly twice as fast on a CPU as that in bfloat16.
        y = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True).to(x.dtype)
        y = y.transpose(1, 2).reshape(b, t, s.hidden)
        x = x + self.attn_output(y)
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Network(nn.Module):
    """Token ids (batch, time) to hidden states (batch, time, hidden); `logits` takes those to the vocabulary. Embeddings are tied."""

    def __init__(self, s: Shape):
        super().__init__()
        self.shape = s
        self.token_embd = nn.Embedding(s.vocabulary, s.hidden)
        self.blk = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.output_norm = Norm(s.hidden)
        for name, p in self.named_parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0, 0.02 if "output" in name or "down" in name else 0.04)
        angle = torch.outer(torch.arange(s.context).float(), 1 / s.theta ** (torch.arange(0, s.head, 2).float() / s.head))
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids):
        x, t = self.token_embd(ids), ids.shape[1]
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        x, cos, sin = x.to(kind), self.cos[:t].to(kind), self.sin[:t].to(kind)
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output_norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.token_embd.weight)


@torch.no_grad()
def wire_copying(net: Network):
    """Writes the circuit that copies ("after X came Y: after this X comes Y") into the random weights of the first two blocks.
    Left to itself so small a network first learns its answers by heart and copies late or never; with it, a hundred steps do.
    Block 0, head 0 attends to the token before and leaves a code of it in the last CODE dimensions; block 1, heads 0 to 2 attend to
    the tokens whose code is this token's, and bring back what stands there. Codes use the slow rotary pairs, which keep over
    hundreds of tokens. Needs one key head for each query head."""
    code, shape = 16, net.shape
    hidden, head, half = shape.hidden, shape.head, shape.head // 2
    slow = [*range(half - code // 2, half), *range(head - code // 2, head)]
    net.token_embd.weight[:, 0] = 0.3  # a constant for the queries and keys of the first head
    net.token_embd.weight[:, hidden - code:] = 0
    project = torch.zeros(head, hidden)
    project[slow, 1:hidden - code] = torch.randn(code, hidden - code - 1) * 1.1 / math.sqrt(hidden - code - 1)
    first, second = net.blk[0], net.blk[1]
    own = slice(0, head)
    for weight, value in ((first.attn_q.weight, 0), (first.attn_k.weight, 0), (first.attn_v.weight, project)):
        weight[own] = value
    first.attn_output.weight[:, own] = 0
    for pair in range(4):  # the fast rotary pairs tell one place from the next
        turn = shape.theta ** (-2 * pair / head)
        first.attn_k.weight[pair, 0] = 1.6
        first.attn_q.weight[pair, 0], first.attn_q.weight[pair + half, 0] = 1.6 * math.cos(turn), -1.6 * math.sin(turn)
    for n, row in enumerate(slow):
        first.attn_output.weight[hidden - code + n, row] = 0.12
    for begin in range(0, 3 * head, head):
        own = slice(begin, begin + head)
        second.attn_q.weight[own], second.attn_k.weight[own], second.attn_v.weight[own] = project * 8, 0, 0
        second.attn_output.weight[:, own] = 0
        for n, row in enumerate(slow):
            second.attn_k.weight[begin + row, hidden - code + n] = 1.0
        for row in range(begin, begin + head):  # a third of the embedding each
            second.attn_v.weight[row, 1 + row] = 1.0
            second.attn_output.weight[1 + row, row] = 0.3


def gguf_weights(net: Network) -> dict:
    """The weights by their GGUF names as float32 arrays; q and k in ggml's interleaved rotary order, which GenAI undoes for 'llama'."""
    def interleave(w, heads):
        o, i = w.shape
        return w.reshape(heads, 2, o // heads // 2, i).swapaxes(1, 2).reshape(o, i)
    s, out = net.shape, {}
    for name, p in net.state_dict().items():
        a = p.float().numpy()
        out[name] = interleave(a, s.heads) if "attn_q" in name else interleave(a, s.kv_heads) if "attn_k" in name else a
    return out
