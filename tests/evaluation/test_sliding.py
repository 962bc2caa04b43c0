"""A window that slides over a text predicts every token but the first once."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors
from torch import nn

from pentanet.errors import ConfigError, NonFiniteActivationError, TextTooShortError, TokenizerMismatchError
from pentanet.evaluation.sliding import Text, evaluate_text, read_text, windows


class Counting(nn.Module):
    """Logits that depend on the token, and on how many tokens of its window stand before it."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.table = torch.randn(vocab, vocab, generator=torch.Generator().manual_seed(0))

    def forward(self, ids):
        return self.table[ids] * torch.arange(1, ids.shape[1] + 1)[None, :, None]


@given(st.integers(2, 60), st.integers(1, 20), st.data())
def test_every_token_but_the_first_is_predicted_once(tokens, context, data):
    stride = data.draw(st.integers(1, context))
    seen: list[int] = []
    for start, stop, scored in windows(tokens, context, stride):
        assert 0 <= start < stop <= start + context
        assert start == 0 or scored <= stride
        assert start == 0 or stop - start == context
        seen += range(stop + 1 - scored, stop + 1)
    assert seen == list(range(1, tokens))


def text(*ids, nbytes=10):
    return Text(name="text", ids=torch.tensor(ids), nbytes=nbytes)


def test_losses_are_those_of_the_windows():
    network, ids = Counting(5), (0, 3, 1, 4, 2, 2, 0)
    found = evaluate_text(network, text(*ids), context=4, stride=2)

    def loss(start, stop, target):
        return float(F.cross_entropy(network(torch.tensor([ids[start:stop]]))[0, -1:], torch.tensor([ids[target]])))

    expected = [loss(0, i, i) for i in range(1, 5)] + [loss(1, 5, 5), loss(2, 6, 6)]
    # The window of tokens 2..5 predicts 5 and 6: token 5 with three before it.
    expected[4] = loss(2, 5, 5)
    assert found.loss == pytest.approx(sum(expected) / 6, rel=1e-6)
    assert found.perplexity == pytest.approx(math.exp(found.loss))
    assert found.bits_per_byte == pytest.approx(found.loss / math.log(2) * 7 / 10)
    assert (found.tokens, found.context, found.stride) == (6, 4, 2)


def test_what_cannot_be_measured():
    with pytest.raises(ConfigError, match="stride"):
        evaluate_text(Counting(5), text(0, 1, 2), context=4, stride=5)
    with pytest.raises(TokenizerMismatchError, match="token 7 of 5"):
        evaluate_text(Counting(5), text(0, 1, 7), context=4)


def test_a_loss_that_is_no_number_is_an_error():
    def network(ids):
        return torch.full((*ids.shape, 5), math.nan)

    with pytest.raises(NonFiniteActivationError, match="the loss on 'text' up to token 2 is nan"):
        evaluate_text(network, text(0, 1, 2, 3), context=2)


def test_text_is_read_as_it_stands(tmp_path, tiny):
    file = tmp_path / "text.txt"
    file.write_text(" the cat sat \n\n on a mat\n", encoding="utf-8")
    whole = read_text(file, tiny.tokenizer)
    assert tiny.tokenizer.decode(whole.ids.tolist()) == file.read_text()
    assert whole.nbytes == 25
    part = read_text(file, tiny.tokenizer, limit=5)
    assert part.ids.tolist() == whole.ids[:5].tolist()
    assert part.nbytes == len(tiny.tokenizer.decode(part.ids.tolist()))
    file.write_text("")
    with pytest.raises(TextTooShortError):
        read_text(file, tiny.tokenizer)


def test_each_window_begins_with_what_the_tokenizer_puts_first():
    network, ids, bos = Counting(5), (0, 3, 1, 4, 2, 2, 0), 4
    started = Text(name="text", ids=torch.tensor(ids), nbytes=10, start=(bos,))
    found = evaluate_text(network, started, context=4)

    def losses(start, stop):
        logits = network(torch.tensor([[bos, *ids[start:stop]]]))[0, 1:]
        return F.cross_entropy(logits, torch.tensor(ids[start + 1 : stop + 1]), reduction="none").tolist()

    expected = losses(0, 3) + losses(3, 6)
    assert found.loss == pytest.approx(sum(expected) / 6, rel=1e-6)
    assert (found.tokens, found.context, found.stride, found.start) == (6, 4, 3, (bos,))
    assert evaluate_text(network, started, context=4, stride=4).loss == found.loss
    with pytest.raises(ConfigError, match="no room"):
        evaluate_text(network, started, context=1)


def test_the_template_is_read_or_left_out(tmp_path, tiny):
    file = tmp_path / "text.txt"
    file.write_text("the cat sat")
    tokenizer = Tokenizer.from_str(tiny.tokenizer.to_str())
    assert read_text(file, tokenizer).start == ()
    name = tokenizer.id_to_token(0)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, 0)])
    assert read_text(file, tokenizer).start == (0,)
    assert read_text(file, tokenizer, bos=False).start == ()
