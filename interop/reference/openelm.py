"""OpenELM once more, in another way: NumPy in float64, one token after the other, keys and values in lists.

Written from Apple's public modeling_openelm.py and configuration_openelm.py (apple/OpenELM-270M on the Hugging Face
Hub). make-fixtures.py holds against it what the module of backbones/openelm.py computes.
"""

import json

import numpy as np
from safetensors.numpy import load_file

SCALING = 8 / 4  # lora_alpha / r of make-fixtures.py
STEP = 1e-5


def rms_norm(x, weight):
    return x / np.sqrt(np.mean(x * x) + 1e-6) * weight


def turned(x, position, base):
    """A head [D] at a position: channels i and i + D / 2 are the two parts of a complex number."""
    half = len(x) // 2
    angle = position * base ** (-np.arange(half) / half)
    z = (x[:half] + 1j * x[half:]) * np.exp(1j * angle)
    return np.concatenate([z.real, z.imag])


class Layer:
    """A layer, and the keys and values of the tokens that it has read."""

    def __init__(self, config, weights, index):
        self.config = config
        self.heads = config["num_query_heads"][index]
        self.groups = config["num_kv_heads"][index]
        prefix = f"transformer.layers.{index}."
        self.weights = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        self.keys, self.values = [], []

    def head(self, x, norm, position):
        weight = self.weights.get(f"attn.{norm}.weight")
        normed = x if weight is None else rms_norm(x, weight)
        return turned(normed, position, self.config["rope_freq_constant"])

    def attend(self, x, position):
        heads = (self.weights["attn.qkv_proj.weight"] @ x).reshape(-1, self.config["head_dim"])
        q = heads[: self.heads]
        k = heads[self.heads : self.heads + self.groups]
        self.keys.append([self.head(head, "k_norm", position) for head in k])
        self.values.append(heads[self.heads + self.groups :])
        out = []
        for i, head in enumerate(q):
            group = i * self.groups // self.heads
            query = self.head(head, "q_norm", position)
            scores = np.array([keys[group] @ query for keys in self.keys]) / np.sqrt(len(query))
            shares = np.exp(scores - scores.max())
            out.append(sum(share * values[group] for share, values in zip(shares / shares.sum(), self.values)))
        return self.weights["attn.out_proj.weight"] @ np.concatenate(out)

    def feed(self, x):
        gate, up = np.split(self.weights["ffn.proj_1.weight"] @ x, 2)
        return self.weights["ffn.proj_2.weight"] @ (gate / (1 + np.exp(-gate)) * up)

    def read(self, x, position):
        x = x + self.attend(rms_norm(x, self.weights["attn_norm.weight"]), position)
        return x + self.feed(rms_norm(x, self.weights["ffn_norm.weight"]))


def logits_of(config, weights, ids):
    """The logits [S, vocabulary] of one sequence of tokens."""
    embedding = weights["transformer.token_embeddings.weight"]
    head = embedding if config["share_input_output_layers"] else weights["lm_head.weight"]
    layers = [Layer(config, weights, i) for i in range(config["num_transformer_layers"])]
    logits = []
    for position, token in enumerate(ids):
        x = embedding[token]
        for layer in layers:
            x = layer.read(x, position)
        logits.append(head @ rms_norm(x, weights["transformer.norm.weight"]))
    return np.array(logits)


def loss_of(logits, labels):
    """Mean cross entropy of the next token where its label is not -100; logits [B, S, vocabulary]."""
    losses = []
    for rows, targets in zip(logits, labels):
        for row, target in zip(rows, targets[1:]):
            if target >= 0:
                losses.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[target])
    return np.mean(losses)


def adapted(weights, adapters):
    """The weights with LoRA merged into them."""
    updates = {name.removesuffix(".lora_A.weight"): a for name, a in adapters.items() if "lora_A" in name}
    merged = dict(weights)
    for layer, a in updates.items():
        merged[f"{layer}.weight"] = weights[f"{layer}.weight"] + SCALING * adapters[f"{layer}.lora_B.weight"] @ a
    return merged


def check(folder, tensors):
    """Fails unless the tensors of expected.safetensors are what this file computes with the model beside them."""
    config = json.loads((folder / "config.json").read_text())
    weights = {name: w.astype(np.float64) for name, w in load_file(folder / "model.safetensors").items()}
    expected = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    ids, labels, mask = (expected[name].astype(int) for name in ("input_ids", "labels", "attention_mask"))
    adapters = {name: a for name, a in expected.items() if ".lora_" in name and "grad." not in name}

    def compare(what, found, wanted, tolerance):
        worst = np.abs(found - wanted).max()
        assert worst < tolerance, f"{folder}: {what} differ by {worst:.1e} from interop/reference/openelm.py"
        return worst

    def all_logits(weights):
        return np.array([logits_of(config, weights, row) for row in ids])

    logits = all_logits(weights)
    worst = [compare("logits", logits, expected["logits"], 1e-4)]
    worst.append(compare("losses", loss_of(logits, labels), expected["loss"], 1e-4))
    for row, real, padded in zip(ids, mask == 1, expected["padded_logits"]):
        worst.append(compare("padded logits", logits_of(config, weights, row[real]), padded[real], 1e-4))
    logits = all_logits(adapted(weights, adapters))
    worst.append(compare("LoRA logits", logits, expected["lora_logits"], 1e-4))

    random = np.random.default_rng(0)
    slopes = []
    for name, adapter in adapters.items():
        gradient = expected[f"grad.{name}"]
        # Along the gradient itself, where nothing cancels, and along a direction of no preference.
        for direction in (gradient, random.standard_normal(adapter.shape)):
            direction = direction / np.linalg.norm(direction)
            ahead, behind = (
                loss_of(all_logits(adapted(weights, adapters | {name: adapter + step * direction})), labels)
                for step in (STEP, -STEP)
            )
            slope = (ahead - behind) / (2 * STEP)
            error = compare(f"gradients of {name}", slope, np.sum(gradient * direction), 1e-3 * np.linalg.norm(gradient))
            slopes.append(error / np.linalg.norm(gradient))
    print(f"{folder.name}: differs by {max(worst):.1e}, gradients by {max(slopes):.1e}, from a loop in float64")
