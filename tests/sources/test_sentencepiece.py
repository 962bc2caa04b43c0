"""Pieces and scores give the tokens of SentencePiece, of the original tokenizer.json and of llama.cpp."""

from __future__ import annotations

import json
import math
import warnings
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pentanet.errors import ModelConfigError, UnsupportedArchitectureError
from pentanet.sources.gguf_tokenizer import tokenizer_files

LINES = [
    "the cat sat on the mat and all day long it sang of 42 songs",
    "nobody listened to the na\u00efve cat's  songs; there were thirteen of them",
    "cats and mats and hats, that is what that cat sang of all day",
]
SPACE = "\u2581"
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{i:02X}>" for i in range(256)]
TEXT = "the cat's 42 songs  sang\n\nall day, na\u00efve \u6771\u4eac mats!! \U0001f600 t h e"
NORMAL, UNKNOWN, CONTROL, USER, BYTE = 1, 2, 3, 4, 6


def original(prefix: bool = True) -> Tokenizer:
    """A tokenizer.json of Llama 2's form, trained on a few lines."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")  # while it is trained
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[*SPECIAL, *BYTES], show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    parts = json.loads(tokenizer.to_str())
    parts["pre_tokenizer"], parts["added_tokens"] = None, []
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    before, after = [normalizers.Replace(" ", SPACE)], [decoders.Replace(SPACE, " "), decoders.ByteFallback()]
    after.append(decoders.Fuse())
    if prefix:
        before.insert(0, normalizers.Prepend(SPACE))
        after.append(decoders.Strip(" ", 1, 0))
    tokenizer.normalizer, tokenizer.decoder = normalizers.Sequence(before), decoders.Sequence(after)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    bos = {"id": "bos", "ids": [1], "tokens": ["<s>"]}
    tokenizer.post_processor = processors.TemplateProcessing(["bos", "$A"], ["bos", "$A", "$B:1"], [bos])
    return tokenizer


def fields_of(tokenizer: Tokenizer) -> dict[str, object]:
    """What SentencePiece and llama.cpp's converter make of it: a score that falls with each merge, then characters."""
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    ranks = {left + right: i for i, (left, right) in reversed(list(enumerate(model["merges"])))}
    kinds = [{"<unk>": UNKNOWN}.get(t, CONTROL if t in SPECIAL else BYTE if t in BYTES else NORMAL) for t in tokens]
    later = len(model["merges"])
    scores = [-float(ranks.get(t, later + i)) if kinds[i] == NORMAL else 0.0 for i, t in enumerate(tokens)]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def read(fields: dict[str, object]) -> Tokenizer:
    return Tokenizer.from_str(tokenizer_files(fields, "x.gguf")["tokenizer.json"].decode())


def by_scores(fields: dict[str, object], text: str) -> list[int]:
    """SentencePiece's rule, step by step: of all neighbours merge those of the highest score, the first of equals."""
    tokens, scores, kinds = (fields[f"tokenizer.ggml.{key}"] for key in ("tokens", "scores", "token_type"))
    ids = {t: i for i, t in enumerate(tokens) if kinds[i] == NORMAL}
    symbols = list((SPACE + text).replace(" ", SPACE)) if text else []
    while True:
        pairs = [(-scores[ids[a + b]], i) for i, (a, b) in enumerate(pairwise(symbols)) if a + b in ids]
        if not pairs:
            break
        _, at = min(pairs)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    found: list[int] = []
    for symbol in symbols:
        found += [ids[symbol]] if symbol in ids else [3 + byte for byte in symbol.encode()]
    return found


FIELDS = fields_of(original())
FOUND = read(FIELDS)


@given(st.text(alphabet="thecatsngmdo 42,;'\u00ef\u6771\n\t\u2581", max_size=40))
def test_tokens_are_sentencepieces(text):
    ids = FOUND.encode(text, add_special_tokens=False).ids
    assert ids == by_scores(FIELDS, text)
    assert ids == original().encode(text, add_special_tokens=False).ids


def with_runs(lengths: list[int], score: float = -1e9) -> dict[str, object]:
    """The same tokenizer with runs of spaces that all have one score, as in Mistral's."""
    found = {key: list(value) if isinstance(value, list) else value for key, value in FIELDS.items()}
    tokens = found["tokenizer.ggml.tokens"]
    runs = [SPACE * length for length in lengths if SPACE * length not in tokens]
    tokens += runs
    for i, token in enumerate(tokens):
        if len(token) > 1 and not token.strip(SPACE) and token not in runs:
            found["tokenizer.ggml.scores"][i] = score
    found["tokenizer.ggml.scores"] += [score] * len(runs)
    found["tokenizer.ggml.token_type"] += [NORMAL] * len(runs)
    return found


MISTRAL = [2, 4, 8, 5, 16, 6, 12, 13, 10, 14, 3, 9, 7, 11]  # lengths in the order of their ids; 15 is none


def test_runs_of_spaces_may_have_one_score():
    fields = with_runs(MISTRAL)
    found = read(fields)
    for length in range(150):
        text = f"a{' ' * length}b"
        assert found.encode(text, add_special_tokens=False).ids == by_scores(fields, text)


def with_piece(fields: dict[str, object], text: str, score: float) -> dict[str, object]:
    """The same with a further piece."""
    more = {"tokens": text, "scores": score, "token_type": NORMAL}
    return fields | {f"tokenizer.ggml.{key}": [*fields[f"tokenizer.ggml.{key}"], value] for key, value in more.items()}


@pytest.mark.parametrize(
    "fields",
    [
        with_runs([2, 3]),  # four become 3 and 1 from the left, but 2 and 2 by a list
        with_runs([*MISTRAL, 32, 64]),
        with_piece(with_runs(MISTRAL), f"{SPACE}{SPACE}t", -500.0),
    ],
)
def test_runs_that_a_list_might_merge_otherwise_are_refused(fields):
    with pytest.raises(ModelConfigError, match="does not say what is merged first"):
        tokenizer_files(fields, "x.gguf")


@pytest.mark.parametrize("prefix", [True, False])
def test_the_original_tokenizer_encodes_and_decodes_alike(prefix):
    expected = original(prefix)
    found = read({**fields_of(expected), "tokenizer.ggml.add_space_prefix": prefix})
    for text in (*LINES, TEXT, f"a{SPECIAL[2]}b", " two", ""):
        ids = expected.encode(text).ids
        assert found.encode(text).ids == ids and ids[0] == 1
        assert found.decode(ids) == expected.decode(ids)
    assert found.decode(found.encode(TEXT).ids) == TEXT


def test_the_first_token_is_left_out_where_the_file_says_so():
    assert read({**FIELDS, "tokenizer.ggml.add_bos_token": False}).encode("the").ids[0] != 1


@pytest.mark.slow
def test_llama_cpp_makes_the_same_tokens(tmp_path):
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: extra 'llama'")
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(tmp_path / "vocab.gguf"), "llama")
    writer.add_vocab_size(len(FIELDS["tokenizer.ggml.tokens"]))
    for add, value in ((writer.add_context_length, 64), (writer.add_embedding_length, 32), (writer.add_block_count, 1)):
        add(value)
    writer.add_head_count(4)
    writer.add_feed_forward_length(48)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(FIELDS["tokenizer.ggml.tokens"])
    writer.add_token_scores(FIELDS["tokenizer.ggml.scores"])
    writer.add_token_types(FIELDS["tokenizer.ggml.token_type"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wrapper's own
        theirs = llama_cpp.Llama(str(tmp_path / "vocab.gguf"), vocab_only=True, verbose=False)
        for text in (*LINES, TEXT):
            assert theirs.tokenize(text.encode(), add_bos=True, special=False) == FOUND.encode(text).ids
        theirs.close()


def change(key: str, at: int, value: object) -> dict[str, object]:
    found = list(FIELDS[f"tokenizer.ggml.{key}"])
    found[at] = value
    return {**FIELDS, f"tokenizer.ggml.{key}": found}


LAST = len(FIELDS["tokenizer.ggml.tokens"]) - 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({**FIELDS, "tokenizer.ggml.scores": [0.0]}, "1 scores"),
        ({**FIELDS, "tokenizer.ggml.unknown_token_id": LAST + 1}, "unknown_token_id"),
        (change("scores", LAST, FIELDS["tokenizer.ggml.scores"][LAST - 1]), "one score.* merged first"),
        (change("scores", LAST, math.nan), "score nan"),
        (change("tokens", LAST, "the\u00e6"), "is no token itself"),
        (change("tokens", LAST, "t" * 2000), "2000 characters"),
        (change("tokens", LAST, FIELDS["tokenizer.ggml.tokens"][LAST - 1]), "same text"),
        (change("token_type", 3, NORMAL), "<0x00>"),
    ],
)
def test_what_would_make_other_tokens_is_refused(fields, message):
    with pytest.raises(ModelConfigError, match=f"x.gguf: .*{message}"):
        tokenizer_files(fields, "x.gguf")


@pytest.mark.parametrize("key", ["precompiled_charsmap", "remove_extra_whitespaces"])
def test_text_that_is_changed_first_is_refused_by_name(key):
    with pytest.raises(UnsupportedArchitectureError, match=key):
        tokenizer_files({**FIELDS, f"tokenizer.ggml.{key}": True}, "x.gguf")
