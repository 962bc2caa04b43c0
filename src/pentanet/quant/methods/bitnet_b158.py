"""BitNet b1.58 by its official code: tensor absmean, with activations rounded to int8 per token.

The RMSNorm without gain inside of each linear is part of the network here (`model.sub_norms`, `model.norm_gains`): the
preset nano-bitnet has it and the two-stage schedule.  Source: "The Era of 1-bit LLMs: Training Tips, Code and FAQ",
microsoft/unilm; paper 2402.17764.
"""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean

METHODS = (
    Method(
        name="bitnet-b158",
        title="ternary, tensor absmean, int8 activations (BitNet b1.58)",
        paper="2402.17764",
        grid=TERNARY,
        granularity=TENSOR,
        scale=absmean(floor=1e-5),
        activations="int8",
    ),
)
