"""pentanet data: text to token streams."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cyclopts import App

from pentanet.cli.options import Flag

app = App(name="data", help="Turn text into token streams on disk.")


@app.command
def prepare(
    source: str = "bible",
    *,
    out: Path,
    tokenizer: str = "bpe:4096",
    eos: Literal["line", "document", "none"] = "document",
    json: Flag = False,
) -> None:
    """Tokenize a corpus into a dataset directory; nothing is done if it is there already.

    Parameters
    ----------
    source
        bible, wikitext-2, wikitext-103, or the path of a text file or folder.
    out
        The directory to write.
    tokenizer
        bpe:SIZE (trained on the training text), gpt2, or the path of a tokenizer.json.
    eos
        Where an end-of-text token goes: after each line, after each document, or nowhere.
    json
        Print the dataset's record as JSON.
    """
    from pentanet.cli import console
    from pentanet.data.corpora import SPLITS
    from pentanet.data.prepare import prepare as run

    with console.stages() as tell:
        dataset = run(source, out, tokenizer=tokenizer, eos=eos, progress=tell)
    splits = {name: {"tokens": dataset.tokens(name), "bytes": dataset.bytes(name)} for name in SPLITS}
    if json:
        facts = {"name": dataset.name, "vocab": dataset.vocab, "fingerprint": dataset.fingerprint}
        console.print_json({"path": str(out), **facts, "splits": splits})
        return
    console.out.print(f"{out}: {dataset.name}, {dataset.vocab:,} tokens in the vocabulary")
    for name, sizes in splits.items():
        console.out.print(f"  {name:5} {sizes['tokens']:>12,} tokens  {sizes['bytes']:>12,} bytes of text")
