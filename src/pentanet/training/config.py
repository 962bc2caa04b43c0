"""What one training run is: every setting that decides its result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from pentanet.config import MEMBERS
from pentanet.errors import ConfigError
from pentanet.families import TrainedConfig, family_of
from pentanet.families.registry import trained_configs
from pentanet.families.tensor_table import has_own_head
from pentanet.linear_options import Activations
from pentanet.nn import Storage
from pentanet.quant import method


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightConfig:
    """How weights are represented, and what they are multiplied by."""

    method: str = "pentanary"
    """Registry name of the weight method of the linears."""
    embedding: Storage = "int8"
    """Storage of the embedding: int8, bfloat16, float32, or grid for the method of the linears."""
    head: Storage = "int8"
    """Storage of the head."""
    activations: Literal["method", "none", "int8", "elastic8", "elastic2", "elastic1", "hadamard", "hadamard8"] = (
        "method"
    )
    """How linears round their inputs: as the method does by itself (most do not), not at all, to int8 per token as the
    native engine does, or to 8, 2 or 1 bits with a learned step per linear; hadamard rotates them in blocks,
    and hadamard8 rounds to int8 per token after that."""

    start: float = 0.0
    """Share of the steps that multiply by the latent weights first; the method begins to round after them."""
    anneal: float = 0.0
    """Share of the steps, after those, that go from the latent weights to the rounded ones in a straight line."""

    def __post_init__(self) -> None:
        for name in ("start", "anneal"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"weights.{name} = {getattr(self, name)}: must lie in [0, 1)")
        if self.start + self.anneal > 1:
            raise ConfigError(
                f"weights.start = {self.start} and weights.anneal = {self.anneal}: nothing is left to train rounded; "
                "their sum must be at most 1"
            )
        _ = self.used_activations  # raises now what is wrong with the method, and not when training begins

    @property
    def used_activations(self) -> Activations:
        """`activations`, with the method's own looked up; without a grid only the int8 of the head is left.

        Raises:
            UnknownNameError: no such method; names the nearest one.
            ConfigError: the method rotates its weights, and the inputs would not be rotated.
        """
        chosen = method(self.method)
        used = chosen.activations if self.activations == "method" else self.activations
        if chosen.activations.startswith("hadamard") and not used.startswith("hadamard"):
            raise ConfigError(
                f"weights.activations = '{used}': method '{chosen.name}' rotates weights and inputs; "
                "take hadamard, or hadamard8 for int8 after it"
            )
        return used if used == "int8" or chosen.grid is not None else "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """The text and its tokens."""

    source: str = "bible"
    """bible, wikitext-2, wikitext-103, or the path of a text file or folder."""
    tokenizer: str = "bpe:1024"
    """bpe:SIZE (trained on the training text), gpt2, or the path of a tokenizer.json."""
    eos: Literal["line", "document", "none"] = "document"
    """Where an end-of-text token is put."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchConfig:
    """What one step reads."""

    size: int = 8
    """Windows per step."""
    windows: Literal["epoch", "random", "published"] = "epoch"
    """epoch: shuffled windows without overlap, each once per epoch; random: any offset, with replacement; published:
    random, and after step 1 and each `eval_every` more as many batches as `eval_random_batches` are left out, which the
    publication evaluates on."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"batch.size = {self.size}: must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """AdamW, or Muon for the matrices of the blocks with AdamW for everything else."""

    kind: Literal["adamw", "muon"] = "muon"
    """muon trains the matrices of the blocks with orthogonalized momentum, and the rest with AdamW."""
    lr: float = 0.05
    """Peak learning rate of AdamW: of embedding, head and norms with muon, of everything (try 0.003) without."""
    muon_lr: float = 0.02
    """Peak learning rate of Muon, in units of its orthogonalized update."""
    beta1: float = 0.9
    """AdamW's decay of the running mean of the gradient."""
    beta2: float = 0.95
    """AdamW's decay of the running mean of its square."""
    eps: float = 1e-8
    """Added to the denominator of AdamW."""
    weight_decay: float = 0.1
    """Decoupled, times the learning rate."""
    decay_vectors: bool = False
    """Decay norms, embeddings and positions too, as the publication does."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 clips nothing."""

    def __post_init__(self) -> None:
        for name in ("lr", "muon_lr", "eps"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"optimizer.{name} = {getattr(self, name)}: must be positive and finite")
        for name in ("weight_decay", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"optimizer.{name} = {getattr(self, name)}: must be finite and not negative")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"optimizer.{name} = {getattr(self, name)}: must lie in [0, 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleConfig:
    """How the learning rate and the weight decay change over the run.

    cosine: linear warm-up, then half a cosine to `final` (Loshchilov and Hutter 2016; the publication).
    warmdown: linear warm-up, constant, then linear to `final` over the last `warmdown` of the steps.
    two-stage: linear from the peak to `final`, times `drop_to` from `drop_at` on (Spectra 2407.12327; BitNet).
    """

    kind: Literal["cosine", "warmdown", "two-stage"] = "warmdown"
    """Shape of the learning rate after the warm-up."""
    warmup: int = 20
    """Steps of linear warm-up."""
    final: float = 0.0
    """Learning rate at the end, as a share of the peak."""
    warmdown: float = 0.5
    """Share of the steps over which the rate falls (warmdown only)."""
    drop_at: float = 0.5
    """Share of the steps after which the rate drops (two-stage only)."""
    drop_to: float = 0.667
    """Factor of that drop (two-stage only)."""
    decay_off: float = 0.67
    """Share of the steps after which there is no weight decay; 1 keeps it to the end."""

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ConfigError(f"schedule.warmup = {self.warmup}: must not be negative")
        for name in ("final", "warmdown", "drop_at", "drop_to", "decay_off"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"schedule.{name} = {getattr(self, name)}: must lie in [0, 1]")


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillConfig:
    """A network to learn from beside the text."""

    teacher: str = ""
    """Directory of a finished training run with the same tokenizer; empty for none."""
    share: float = 0.5
    """Share of the teacher's distribution in the loss; the rest is the text's."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"distill.share = {self.share}: must lie in (0, 1]")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """One training run."""

    model: TrainedConfig = field(metadata={MEMBERS: trained_configs})
    weights: WeightConfig = field(default_factory=WeightConfig)
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    init: str = ""
    """Run directory or packed model whose weights the run starts from; empty draws them. Optimizer, schedule and
    batches begin anew."""
    steps: int = 200
    """Optimizer steps. A run that has made them goes on where more are asked for, see `pentanet train`."""
    seed: int = 0
    """Decides the initial weights and the batches, whatever the method."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of the matrix products; auto takes bfloat16 where the processor multiplies in it."""
    device: str = "auto"
    """cpu, cuda, cuda:1; auto takes a GPU if there is one."""
    log_every: int = 10
    """Steps between lines of training loss."""
    eval_every: int = 50
    """Steps between validations; the last step is always one."""
    eval_tokens: int = 0
    """Validations read this many tokens from the start of the split, the same each time; 0 reads all."""
    result_tokens: int = 0
    """The result of the run, and of its packed model in a bench, is measured on this many; 0 measures on all."""
    eval_random_batches: int = 0
    """Random validation batches in addition to the full pass, as the publication evaluates."""
    checkpoint_every: int = 200
    """Steps between checkpoints; the last step is always one."""
    keep: int = 2
    """Checkpoints that stay on disk."""

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "eval_every", "checkpoint_every", "keep"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be at least 1")
        for name in ("eval_tokens", "result_tokens", "eval_random_batches"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} = {getattr(self, name)}: must not be negative")
        if not has_own_head(self.model) and self.weights.embedding != self.weights.head:
            raise ConfigError("model.tie needs weights.embedding and weights.head to be the same: it is one matrix")
        if self.weights.start > (self.steps - 1) / self.steps:
            raise ConfigError(
                f"weights.start = {self.weights.start}: none of {self.steps} steps is left to train rounded"
            )
        family = family_of(self.model)
        if family.check_training is None:
            raise ConfigError(f"model.family = '{family.name}': networks of this family are read, not trained")
        family.check_training(self.model)
        if self.seed < 0 or self.seed >= 2**32:
            raise ConfigError(f"seed = {self.seed}: must lie in [0, 2^32)")

    @property
    def tokens(self) -> int:
        """Tokens that the run trains on."""
        return self.steps * self.batch.size * self.model.context
