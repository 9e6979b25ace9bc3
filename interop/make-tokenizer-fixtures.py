"""Writes test/fixtures/tokenizers/: small vocabularies, and the ids that Python's libraries give for texts.

    interop/.venv/bin/python interop/make-tokenizer-fixtures.py

- `sentencepiece-*.json`: vocabularies trained by SentencePiece, as the metadata of a GGUF file; ids by SentencePiece.
- `byte-level.json`: a byte-level BPE vocabulary as the metadata of a GGUF file; ids by the `tokenizers` library under
  the pre-tokenizers of the models that `tokenizer.ggml.pre` names. Its merges were learned without word limits, so
  that every limit shows in the ids.
- `llama/`, `gpt2/`, `bert/`: tokenizers as transformers saves them; ids in `expected.json`.
"""

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizerFast, LlamaTokenizerFast, PreTrainedTokenizerFast

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "tokenizers"
EXCERPT = (FOLDER / "excerpt.txt").read_text()
CODE = """def f(x):
    if x == 10:
\treturn "a  b"  # 3.14159

    return {'k': [x, 12345]}
"""
TEXTS = [
    "The capital of France is",
    EXCERPT[:600],
    CODE,
    "a  b   c    d                     e",
    " leading and trailing ",
    "日本語のテキスト。한국어 텍스트",
    "👍🏽 family 👨‍👩‍👧 flag 🇫🇷",
    "e\u0301 é naïve ﬁ İstanbul",
    "line\r\nline\n\n\nline\t\tend",
    "I'll we've THEY'RE don'T x'S",
    "camelCaseWords HTTPServer iPhone ÀÉ",
    "1 12 123 1234 12345678 ٣٤ ²",
    "!!! ... ///// a/b/c --- ***\n** {[()]}",
    "\ufeffmark \u00a0nbsp \u3000wide",
    "aaaaaaaaaaaaaaa hahahaha ======",
    "<b>bold</b> <x> <0x41>",
    "\x00\x01\u0378\U0010fffd",
]
USER_DEFINED = ["\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<b>", "</b>"]


def write(name, content):
    """Writes a JSON file of the fixture folder."""
    path = FOLDER / name
    path.write_text(json.dumps(content, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n")
    print(f"{name}: {path.stat().st_size} bytes")


def train_sentencepiece(**options):
    """A BPE model with byte fallback, as its bytes."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter((EXCERPT + CODE).split("\n")),
        model_writer=model,
        model_type="bpe",
        vocab_size=560,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def sentencepiece_metadata(processor, user_defined=(), **fields):
    """The metadata that llama.cpp's converter writes for a SentencePiece model: spaces of the user's tokens are plain."""
    tokens, scores, types = [], [], []
    for id in range(processor.vocab_size()):
        token = processor.id_to_piece(id)
        kind = 1
        if processor.is_unknown(id):
            kind = 2
        elif processor.is_control(id):
            kind = 3
        elif processor.is_byte(id):
            kind = 6
        elif token in user_defined:
            kind = 4
            token = token.replace("\u2581", " ")
        tokens.append(token)
        scores.append(processor.get_score(id))
        types.append(kind)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": processor.bos_id(),
        "tokenizer.ggml.eos_token_id": processor.eos_id(),
        "tokenizer.ggml.unknown_token_id": processor.unk_id(),
        **fields,
    }


def make_sentencepiece():
    """One vocabulary as Llama has it (a space before the text), one as Gemma has it (tokens of the user's)."""
    llama = train_sentencepiece(add_dummy_prefix=True)
    processor = sentencepiece.SentencePieceProcessor(model_proto=llama)
    cases = [[text, processor.encode(text)] for text in TEXTS]
    write("sentencepiece-llama.json", {"metadata": sentencepiece_metadata(processor), "cases": cases})

    gemma = train_sentencepiece(add_dummy_prefix=False, user_defined_symbols=USER_DEFINED, pad_id=3)
    processor = sentencepiece.SentencePieceProcessor(model_proto=gemma)
    fields = {"tokenizer.ggml.padding_token_id": 3, "tokenizer.ggml.add_space_prefix": False}
    metadata = sentencepiece_metadata(processor, USER_DEFINED, **fields)
    cases = [[text, processor.encode(text)] for text in TEXTS]
    write("sentencepiece-gemma.json", {"metadata": metadata, "cases": cases})
    return llama


def split(pattern):
    """A pre-tokenizer of a pattern and bytes, as the tokenizer.json files of these models have it."""
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), bytes_])


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
DIGITS = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2])
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# Name in GGUF: pre-tokenizer, normalizer, whether a word that is a token is never merged anew.
PRE_TOKENIZERS = {
    "gpt-2": (GPT2, None, False),
    "smollm": (DIGITS, None, False),
    "llama-bpe": (split(LLAMA3), None, True),
    "dbrx": (split(LLAMA3), None, False),
    "qwen2": (split(QWEN2), normalizers.NFC(), False),
    "deepseek-r1-qwen": (split(QWEN2), None, False),
    "tekken": (split(TEKKEN), None, True),
    "gpt-4o": (split(GPT4O), None, False),
}


def byte_level_model(**options):
    """A byte-level BPE model whose merges know no words, and the tokens of its vocabulary."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False, max_token_length=12)
    trained.train_from_iterator([EXCERPT, CODE, *TEXTS, *TEXTS], trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return model["vocab"], merges, models.BPE(model["vocab"], merges, **options)


def make_byte_level():
    """Ids under every pre-tokenizer."""
    vocab, merges, _ = byte_level_model()
    tokens = [*sorted(vocab, key=vocab.get), "<|endoftext|>", "<tool>"]
    end = len(vocab)
    cases = {}
    for name, (pre_tokenizer, normalizer, ignore_merges) in PRE_TOKENIZERS.items():
        tokenizer = Tokenizer(byte_level_model(ignore_merges=ignore_merges)[2])
        tokenizer.pre_tokenizer = pre_tokenizer
        if normalizer:
            tokenizer.normalizer = normalizer
        cases[name] = [tokenizer.encode(text).ids for text in TEXTS]
    write(
        "byte-level.json",
        {
            "metadata": {
                "tokenizer.ggml.model": "gpt2",
                "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.token_type": [1] * end + [3, 4],
                "tokenizer.ggml.merges": [" ".join(merge) for merge in merges],
                "tokenizer.ggml.bos_token_id": end,
                "tokenizer.ggml.eos_token_id": end,
            },
            "texts": TEXTS,
            "cases": cases,
        },
    )


def save(tokenizer, name):
    """A folder as transformers writes it, with ids and texts to expect."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer.save_pretrained(folder)
    (folder / "special_tokens_map.json").unlink()
    cases = []
    for text in [*TEXTS, "a</s>b <unk> c<|endoftext|>\nd"]:
        ids = tokenizer.encode(text)
        decoded = tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=True)
        cases.append([text, ids, decoded])
    write(f"{name}/expected.json", cases)


def make_folders(llama_model):
    """A Llama and a GPT-2 tokenizer in Hugging Face form."""
    path = FOLDER / "llama.model"
    path.write_bytes(llama_model)
    save(LlamaTokenizerFast(vocab_file=str(path)), "llama")
    path.unlink()
    (FOLDER / "llama" / "tokenizer.model").unlink(missing_ok=True)

    vocab, merges, _ = byte_level_model()
    tokenizer = Tokenizer(models.BPE({**vocab, "<|endoftext|>": len(vocab)}, merges))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.pre_tokenizer = GPT2
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end)
    save(fast, "gpt2")


def make_word_piece():
    """A BERT tokenizer, which writes all in small letters without accents."""
    normalizer, pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    # The library's own trainer gives another vocabulary every time.
    words = Counter(
        word for text in [EXCERPT, CODE] for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))
    )
    frequent = [word for word, count in words.items() if len(word) > 1 and count > 2]
    letters = sorted(set("".join(words)))
    pieces = [*letters, *frequent, *(f"##{end}" for end in [*letters, "ed", "er", "est", "ing", "ly", "th"])]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = {token: id for id, token in enumerate([*special, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    tokenizer.decoder = decoders.WordPiece()
    save(BertTokenizerFast(tokenizer_object=tokenizer), "bert")
    (FOLDER / "bert" / "vocab.txt").unlink()


if __name__ == "__main__":
    make_word_piece()
    make_folders(make_sentencepiece())
    make_byte_level()
