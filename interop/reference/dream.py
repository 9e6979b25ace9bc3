"""Dream (arXiv 2508.15487) by loops over tokens and heads, in float64, and its decoding at temperature 0.

Written from what its authors publish beside the weights, Dream-org/Dream-v0-Instruct-7B: modeling_dream.py (the model)
and generation_utils.py (`_sample` and `sample_tokens`, the decoding).
"""

import json

import numpy as np
from safetensors.numpy import load_file

# Decisions nearer than this could fall otherwise in float32: a fixture must not hold any.
CLOSE = 1e-5


class Dream:
    """The model in a Hugging Face folder."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
        self.weights = {name: weight.astype(np.float64) for name, weight in weights.items()}

    def logits(self, ids, real=None):
        """Logits [S, vocab] of one sequence; `real` tells which tokens are none of padding, all unless given."""
        real = np.ones(len(ids), bool) if real is None else real
        hidden = self.weights["model.embed_tokens.weight"][ids]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            hidden = hidden + self.attention(f"{name}.self_attn", self.norm(f"{name}.input_layernorm", hidden), real)
            hidden = hidden + self.mlp(f"{name}.mlp", self.norm(f"{name}.post_attention_layernorm", hidden))
        head = "model.embed_tokens" if self.config["tie_word_embeddings"] else "lm_head"
        return self.norm("model.norm", hidden) @ self.weights[f"{head}.weight"].T

    def norm(self, name, x):
        """RMS norm."""
        mean_square = (x**2).mean(-1, keepdims=True)
        return x / np.sqrt(mean_square + self.config["rms_norm_eps"]) * self.weights[f"{name}.weight"]

    def mlp(self, name, x):
        """SwiGLU."""
        gate = x @ self.weights[f"{name}.gate_proj.weight"].T
        up = x @ self.weights[f"{name}.up_proj.weight"].T
        return (gate / (1 + np.exp(-gate)) * up) @ self.weights[f"{name}.down_proj.weight"].T

    def attention(self, name, x, real):
        """Every token sees every real one, those after it too."""
        heads, groups = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        size = self.config["hidden_size"] // heads
        q, k, v = (
            x @ self.weights[f"{name}.{kind}_proj.weight"].T + self.weights[f"{name}.{kind}_proj.bias"] for kind in "qkv"
        )
        out = np.zeros_like(q)
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            group = head // (heads // groups)
            shared = slice(group * size, (group + 1) * size)
            keys = np.stack([self.rotated(k[t, shared], t) for t in range(len(x))])
            for t in range(len(x)):
                scores = keys @ self.rotated(q[t, own], t) / np.sqrt(size)
                weights = np.exp(scores - scores.max()) * real
                out[t, own] = weights / weights.sum() @ v[:, shared]
        return out @ self.weights[f"{name}.o_proj.weight"].T

    def rotated(self, x, position):
        """Rotary positions: channel i turns with channel i + D/2."""
        half = len(x) // 2
        angle = position * self.config["rope_theta"] ** (-np.arange(half) / half)
        low, high = x[:half], x[half:]
        return np.concatenate([low * np.cos(angle) - high * np.sin(angle), high * np.cos(angle) + low * np.sin(angle)])


def filtered(logits, top_p, top_k):
    """-inf for tokens that may not be taken: first by their probability together, then by their number."""
    logits = logits.copy()
    if top_p is not None and top_p < 1:
        order = np.argsort(-logits)
        before = np.cumsum(softmax(logits)[order]) - softmax(logits)[order]
        logits[order[before > top_p]] = -np.inf
    if top_k is not None:
        logits[logits < np.sort(logits)[-min(top_k, len(logits))]] = -np.inf
    return logits


def softmax(x):
    """Of a vector."""
    e = np.exp(x - x.max())
    return e / e.sum()


def guess(logits, alg, top_p, top_k):
    """The likeliest token behind a mask, and how sure that is."""
    best, second = np.sort(logits)[::-1][:2]
    assert best - second > CLOSE, "two tokens are as likely as each other"
    probs = softmax(filtered(logits, top_p, top_k))
    ordered = np.sort(probs)[::-1]
    confidence = {
        "maskgit_plus": ordered[0],
        "topk_margin": ordered[0] - ordered[1],
        "entropy": np.sum(probs * np.log(probs + 1e-10)),
    }
    return int(np.argmax(probs)), confidence[alg]


def diffuse(model, prompt, max_new_tokens, steps, alg, eps=1e-3, top_p=None, top_k=None):
    """The whole sequence, at temperature 0."""
    mask = model.config["mask_token_id"]
    ids = list(prompt) + [mask] * max_new_tokens
    times = np.linspace(1, eps, steps + 1)
    for step in range(steps):
        masked = [t for t, token in enumerate(ids) if token == mask]
        count = int(len(masked) * (1 - times[step + 1] / times[step])) if step < steps - 1 else len(masked)
        logits = model.logits(ids)
        # What stands at t is told by the logits of the token before it.
        guesses = {t: guess(logits[max(t - 1, 0)], alg, top_p, top_k) for t in masked}
        surest = sorted(masked, key=lambda t: -guesses[t][1])
        if 0 < count < len(masked):
            gap = guesses[surest[count - 1]][1] - guesses[surest[count]][1]
            assert gap > CLOSE, "two guesses are as sure as each other"
        for t in surest[:count]:
            ids[t] = guesses[t][0]
    return ids
