"""Text in, token streams on disk and windows of them out.

from pentanet.data.prepare import prepare
from pentanet.data.batches import RandomWindows

dataset = prepare("bible", Path("data/bible"))           # or "wikitext-103", or a file or folder of text
windows = RandomWindows(dataset.split("train"), batch=8, context=256, seed=0)
x, y = windows.next()                                    # int64 [8, 256] each; y is x, one token later
"""
