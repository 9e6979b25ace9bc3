"""Shows what the Python package tptt 0.12.1 does wrong, one function a fault; writes what was seen as rows.

    interop/.venv/bin/python interop/check-faults.py RESULTS/faults.json

A fault that is gone fails: then this project's docs and its own form of the operator have to be looked at again. Each
names the test of this project that shows what it does instead.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from tptt import LinearAttention, LiZACallback, TpttConfig, get_tptt_model
from tptt.modeling_tptt import LCache, LinearAttentionOp, MemoryAsGate, TpttModel
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    ViTConfig,
    ViTModel,
)

MODES = TpttConfig.RECURRENT_MODES
FAULTS = []


def fault(what, file, test):
    """Registers a function that returns what was seen, and fails when the fault is gone."""

    def register(function):
        FAULTS.append((what, file, test, function))
        return function

    return register


def raises(function):
    """What a call raises."""
    try:
        function()
    except Exception as error:  # pylint: disable=broad-except
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    raise AssertionError("nothing was raised: the fault is gone")


SMALL = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}


def llama(**options):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=40, **SMALL, **options)).eval()


def bert():
    return BertModel(BertConfig(vocab_size=40, **SMALL)).eval()


def operator_inputs(order=1, length=12, dim=8):
    torch.manual_seed(1)
    q, k = (torch.nn.functional.normalize(torch.randn(1, 2, length, order, dim), dim=-1) for _ in "qk")
    v = torch.randn(1, 2, length, order, dim)
    return q, k, v, torch.ones_like(v), torch.full_like(v, 0.5)


@fault("The defaults `alpha_gate=\"1\"` and `trick=\"derivative\"` of TpttConfig are not known to the code",
       "test/tptt/config/config.test.ts", "is known by Python's other name")
def defaults_fail():
    config = TpttConfig(base_model_config=llama().config)
    model, _ = get_tptt_model(llama(), config, recurrent_config=config.recurrent_config)
    return raises(lambda: model(input_ids=torch.ones(1, 4, dtype=torch.long)))


@fault("The output depends on the chunk size: inside a chunk no token sees what those before it wrote",
       "test/tptt/memory/delta-rule.test.ts", "in chunks of %i tokens")
def chunk_dependent():
    inputs = operator_inputs()
    outputs = [LinearAttentionOp.chunk_delta_product_forward(*inputs, c, use_checkpoint=False)[0] for c in (12, 1)]
    difference = (outputs[0] - outputs[1]).abs().max().item()
    assert difference > 1e-2
    return f"chunks of 12 and of 1 differ by {difference:.2f}"


@fault("The recurrent state in the cache is never used: its shape [B, H, D, D] is compared with [B, H, n, D, D]",
       "test/tptt/graphs/decoder.test.ts", "decoding gives the logits of one pass over all tokens, wherever the sequence is split")
def state_is_dropped():
    cache = LCache()
    torch.manual_seed(0)
    layer = LinearAttention(16, 2, recurrent_config=MODES["delta_rule"], linear_cache=cache)
    x = torch.randn(1, 6, 16)
    layer(x[:, :5], use_cache=True)
    continued = layer(x[:, 5:], use_cache=True)
    cache.reset()
    fresh = layer(x[:, 5:], use_cache=True)
    assert torch.equal(continued, fresh)
    return "a token gives the same after five others and after none"


@fault("The linear cache is not emptied: a text begins with the last tokens of the one before",
       "test/tptt/graphs/decoder.test.ts", "a text begins afresh, whatever was read before")
def cache_is_stale():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=16)
    model, _ = get_tptt_model(
        GPT2LMHeadModel(config), config, recurrent_config=MODES["delta_product"], mag_weight=1.0
    )
    model.eval()
    ids = torch.arange(8)[None]
    with torch.no_grad():
        first, second = (model(ids, use_cache=True).logits for _ in range(2))
    difference = (first - second).abs().max().item()
    assert difference > 1e-3
    return f"the logits of the same text, read twice, differ by {difference:.2f}"


@fault("Under transformers 4.56 Llama's layers are not told `use_cache`: the linear cache stays empty",
       "test/tptt/graphs/decoder.test.ts", "decoding gives the logits of one pass over all tokens, wherever the sequence is split")
def llama_has_no_cache():
    model, cache = get_tptt_model(llama(), llama().config, recurrent_config=MODES["delta_product"])
    model.eval()
    with torch.no_grad():
        model(torch.arange(8)[None], use_cache=True)
    assert not cache.inputs_states
    return "nothing is kept of 8 tokens"


@fault("A mask for a single token, [B, 1], cannot be read",
       "test/tptt/memory/linear-attention-mask.test.ts", "one token may have a mask, which Python cannot read")
def mask_of_one_token():
    layer = LinearAttention(16, 2, recurrent_config=MODES["delta_rule"])
    return raises(lambda: layer(torch.randn(2, 1, 16), attn_mask=torch.ones(2, 1)))


@fault("Cached decoding gives other outputs than one pass over the text",
       "test/tptt/graphs/decoder.test.ts", "decoding gives the logits of one pass over all tokens, wherever the sequence is split")
def decoding_differs():
    torch.manual_seed(0)
    layer = LinearAttention(16, 2, recurrent_config=MODES["delta_rule"], linear_cache=LCache())
    x = torch.randn(1, 6, 16)
    whole = layer(x)
    pieces = torch.cat([layer(x[:, t : t + 1], use_cache=True) for t in range(6)], 1)
    difference = (whole - pieces).abs().max().item()
    assert difference > 1e-2
    return f"outputs differ by {difference:.2f}"


@fault("The derivative trick is applied to the gates: alpha and beta become negative",
       "test/tptt/memory/linear-attention.test.ts", "a whole pass gives what the loops give")
def gates_become_negative():
    layer = LinearAttention(16, 2, recurrent_config=MODES["gated_delta_product"])
    x = torch.rand(1, 2, 5, 8)
    gates = layer.compute_extended_householder(x, x, x, x, x, 5)[3:]
    least = min(gate.min().item() for gate in gates)
    assert least < 0
    return f"the smallest gate is {least:.2f}"


@fault("MemoryAsGate's dynamic mode cannot be made: one output channel in as many groups as there are inputs",
       "test/tptt/layer/memory-as-gate.test.ts", "a learned mu")
def dynamic_gate():
    return raises(lambda: MemoryAsGate(32, mode="dynamic"))


@fault("LiZACallback's mode `ramp` uses names that do not exist",
       "test/tptt/tptt-model.test.ts", "mu that rises along the sequence")
def ramp():
    class State:
        global_step = 1

    return raises(lambda: LiZACallback(llama(), mode="ramp").on_step_end(None, State, None))


@fault("LiZACallback logs no mag_weight: it is looked for in the wrong module",
       "test/train/liza-callback.test.ts", "what holds at a step is logged with it")
def log_has_no_weight():
    model, _ = get_tptt_model(llama(), llama().config, recurrent_config=MODES["delta_rule"])
    logs = {}
    LiZACallback(model).on_log(None, None, None, logs=logs)
    assert "mag_weight" not in logs
    return f"logs hold {sorted(logs)}"


@fault("With scaled-dot-product attention, transformers' default, the boolean mask is added to the scores as 0 and 1: "
       "a token sees those after it",
       "test/tptt/tptt-model.test.ts", "a titan without its memories is the base model, bit for bit")
def sdpa_mask():
    plain = llama()
    folder = tempfile.mkdtemp()
    plain.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    get_tptt_model(model, model.config, recurrent_config=MODES["delta_rule"], mag_weight=0.0)
    ids = torch.arange(12).reshape(1, -1)
    mask = torch.ones_like(ids)
    mask[:, -1] = 0
    with torch.no_grad():
        first = model(input_ids=ids, attention_mask=mask).logits[:, 0]
        ids = ids.clone()
        ids[:, 5] = 30
        second = model(input_ids=ids, attention_mask=mask).logits[:, 0]
    difference = (first - second).abs().max().item()
    assert difference > 1e-4
    return f"another sixth token changes the logits of the first by {difference:.4f} at mag_weight 0"


@fault("from_pretrained ties every output head to the input embedding",
       "test/tptt/files/titan-folder.test.ts", "a titan gives the same logits, bit for bit, also from a copy of a copy")
def ties_heads():
    folder = tempfile.mkdtemp()
    plain = llama(tie_word_embeddings=False)
    plain.save_pretrained(folder)
    config = TpttConfig(base_model_config=plain.config, base_model_name=folder, operator_mode="delta_rule")
    config._name_or_path = folder
    model = TpttModel.from_pretrained(folder, config=config)
    head, embedding = model.tptt_model.lm_head.weight, model.tptt_model.model.embed_tokens.weight
    assert head is embedding
    return "the head of an untied Llama is its embedding"


@fault("save_pretrained asks the hub for the config of the default base model",
       "test/tptt/files/titan-folder.test.ts", "a titan gives the same logits, bit for bit, also from a copy of a copy")
def asks_hub():
    folder = tempfile.mkdtemp()
    plain = llama()
    plain.save_pretrained(folder)
    config = TpttConfig(base_model_config=plain.config, base_model_name=folder, operator_mode="delta_rule")
    model = TpttModel(config)
    return raises(lambda: model.save_pretrained(tempfile.mkdtemp())).split(";")[0][:120]


@fault("BERT cannot be titanized under transformers 4.56",
       "test/tptt/graphs/encoder-graphs.test.ts", "encodes what transformers does, and as a titan what the loop over tokens does")
def no_bert():
    model = bert()
    get_tptt_model(model, model.config, recurrent_config=MODES["delta_rule"])
    return raises(lambda: model(input_ids=torch.ones(1, 4, dtype=torch.long)))


@fault("ViT cannot be titanized under transformers 4.56",
       "test/tptt/graphs/encoder-graphs.test.ts", "encodes what transformers does, and as a titan what the loop over tokens does")
def no_vit():
    vit = ViTModel(ViTConfig(image_size=8, patch_size=4, **SMALL))
    get_tptt_model(vit, vit.config, recurrent_config=MODES["delta_rule"])
    return raises(lambda: vit(pixel_values=torch.zeros(1, 3, 8, 8)))


@fault("`forward` passes `labels` to models that take none",
       "test/tptt/graphs/encoder-graphs.test.ts", "a model without an output head predicts nothing, and says so")
def labels_for_encoders():
    folder = tempfile.mkdtemp()
    bert().save_pretrained(folder)
    config = TpttConfig(
        base_model_config=bert().config, base_model_name=folder, operator_mode="delta_rule", model_task="feature"
    )
    model = TpttModel(config).eval()
    return raises(lambda: model(input_ids=torch.ones(1, 4, dtype=torch.long)))


@fault("`max_self_attn_length` cuts the hidden states, so a layer gives fewer tokens than it got",
       "test/tptt/layer/liza-attention.test.ts", "a titanized layer computes what the loops compute")
def truncates_output():
    model, _ = get_tptt_model(llama(), llama().config, recurrent_config=MODES["delta_rule"], max_self_attn_length=4)
    return raises(lambda: model(input_ids=torch.ones(1, 9, dtype=torch.long)))


@fault("Padding on the left changes the gates of the tokens after it: the pool reads padded keys",
       "test/tptt/memory/linear-attention.test.ts", "with padding on the %s")
def padding_changes_gates():
    torch.manual_seed(0)
    layer = LinearAttention(16, 2, recurrent_config=MODES["gated_delta_rule"], padding_side="left", max_chunk_size=1)
    x = torch.randn(1, 6, 16)
    padded = torch.cat([torch.randn(1, 2, 16), x], 1)
    mask = torch.tensor([[0, 0] + [1] * 6])
    difference = (layer(padded, attn_mask=mask)[:, 2:] - layer(x)).abs().max().item()
    assert difference > 1e-3
    return f"outputs differ by {difference:.3f}"


def main():
    rows = []
    for what, file, test, function in FAULTS:
        tests = Path(__file__).resolve().parent.parent.joinpath(file).read_text(encoding="utf-8")
        assert test in tests, f"{what}: {file} has no test that is called {test}"
        seen = function()
        rows.append({"fault": what, "seen": seen, "test of ours": f"`{file}`: {test}"})
        print(f"{what}: {seen}")
    document = {"title": "What Python does wrong and this project does differently", "rows": rows}
    Path(sys.argv[1]).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
