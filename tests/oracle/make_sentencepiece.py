"""A small SentencePiece model trained on the text below, and what Python's sentencepiece gives with it.

    python tests/oracle/make_sentencepiece.py tests/data/sentencepiece

Writes tokenizer.model (unigram, byte fallback, a small normaliser, two user-defined and two further control pieces), bpe.model (BPE without
byte fallback), MODEL.jsonl with {text, ids, decoded} rows, and MODEL.decode.jsonl with random id lists (control pieces, bytes that are no
character) and their text. The text was written for this purpose.
"""
import json
import random
import sys
from pathlib import Path

import sentencepiece as spm

SEED = 20260801
SUBJECTS = ["The small tarsier", "A grey owl", "My neighbour", "The old lighthouse keeper", "Nobody", "Our teacher", "The blue kettle",
            "Every second train", "A careful reader", "The night watch", "Her younger brother", "The river", "Some of the children"]
VERBS = ["looks at", "forgets", "draws", "carries", "counts", "is waiting for", "remembers", "hides behind", "listens to", "has found",
         "writes about", "will never see", "quietly follows"]
OBJECTS = ["the moon over the harbour", "three wooden boxes", "a letter from Bergen", "the colour of the evening sky", "forty-two questions",
           "the noise of the machines", "an empty picture frame", "the shortest way home", "yellow apples in a basket", "numbers like 3.14 and 2,718",
           "what was said yesterday", "a window with green shutters", "the map on page 57"]
ENDS = [".", "!", "?", " today.", " in the rain.", ", of course.", " - or so we thought.", " (as always).", "; then it stops."]
OTHER = ["Die Äpfel liegen schön im großen Körbchen.", "Où est la bibliothèque, s'il vous plaît ?", "El niño mañana verá el océano.",
         "Привет, как дела сегодня?", "今天天气很好。", "猫が窓の外を見ている。", "def area(width, height):\n    return width * height",
         "if (count > 0) { total += count; }", "https://example.org/a?b=c&d=1"]
TEXTS = ["", " ", "  ", "a", "A", " a", "a ", "  two  blanks  ", "\n", "a\nb", "\tindented\tby tabs", "The small tarsier looks at the moon.",
         "the tarsier", "TARSIER", "tarsiers' eyes aren't small", "3.14159", "1234567890", "2,718 apples", "x = y + 1;", "forty-two",
         "Äpfel", "A\u0308pfel", "großen", "Où", "mañana", "Привет", "今天天气很好。", "猫", "\U0001F648", "a\U0001F648b", "\U0001F468\u200d\U0001F469",
         "ﬁne ligature", "full\u3000width", "Ｆｕｌｌ", "①②", "½", "no\u00a0break", "zero\u200bwidth", "\ufeffmark", "▁", "a▁b", "<s>", "</s>",
         "<unk>", "<ctl>", "a<ctl>b", "<0x41>", "[BOX]", "a [BOX] b", "a[BOX]b", "[BOX][BOX]", "~~end~~", "[BO", "a" * 40, "the " * 30, "\x01\x02",
         "\u0000", "a\u0000b", "\u0301", "e\u0301", "한국어", "हिन्दी", "עברית", "ไทย", "....!!!???", "\\", "\"quoted\"", "\ufffd", "\U0010FFFF"]


def corpus(rng):
    lines = []
    for _ in range(4000):
        lines.append(f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}{rng.choice(ENDS)}")
    return lines + OTHER * 20


def write_rows(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


# A normaliser of a few rules: the usual nmt_nfkc alone would take 240 KB in the model.
RULES = {"\ufb01": "fi", "\u3000": " ", "\u00a0": " ", "\u200b": "", "A\u0308": "\u00c4", "e\u0301": "\u00e9", "\u00bd": "1/2", "\u2460": "1",
         "\ufeff": ""} | {chr(0xFF21 + i): chr(0x41 + i) for i in range(26)}


def write_rules(path):
    row = lambda text: " ".join(f"{ord(c):X}" for c in text)
    path.write_text("".join(f"{row(a)}\t{row(b)}\n" for a, b in sorted(RULES.items())), encoding="utf-8")


def make(folder, name, lines, rng, **options):
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=str(folder / name), num_threads=1, minloglevel=2, **options)
    (folder / f"{name}.vocab").unlink()
    model = spm.SentencePieceProcessor(model_file=str(folder / f"{name}.model"))
    rows = []
    for text in TEXTS:
        ids = model.encode(text)
        rows.append({"text": text, "ids": ids, "decoded": model.decode(ids)})
    write_rows(folder / f"{name}.jsonl", rows)
    rows = []
    for n in range(100):
        ids = [rng.randrange(model.get_piece_size()) for _ in range(1 + n % 12)]
        if n % 3 == 0 and options.get("byte_fallback"):  # bytes, mostly no characters
            ids += [model.piece_to_id(f"<0x{rng.choice([0x41, 0xC3, 0xA4, 0xE4, 0xBD, 0xA0, 0xF0, 0x9F, 0x98, 0x80]):02X}>") for _ in range(4)]
        rows.append({"ids": ids, "text": model.decode(ids)})
    write_rows(folder / f"{name}.decode.jsonl", rows)
    print(name, model.get_piece_size(), "pieces", (folder / f"{name}.model").stat().st_size, "bytes")


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    lines = corpus(rng)
    rules = folder / "rules.tsv"
    write_rules(rules)
    make(folder, "tokenizer", lines, rng, model_type="unigram", vocab_size=500, hard_vocab_limit=False, byte_fallback=True,
         character_coverage=0.98, normalization_rule_tsv=str(rules),
         user_defined_symbols=["[BOX]", "~~"], control_symbols=["<ctl>", "<pad2>"])
    make(folder, "bpe", lines, rng, model_type="bpe", vocab_size=400, character_coverage=0.98, normalization_rule_name="identity",
         remove_extra_whitespaces=False, split_digits=True)
    rules.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
