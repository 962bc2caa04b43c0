"""What one network family is: a record, which is all that the rest of the library asks about it.

A record names parts that need torch by functions that import them when they are called: opening a model must not
import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from pentanet.families.blocks import Blocks
from pentanet.families.checkpoints import Checkpoints
from pentanet.families.gguf_names import GgufNames
from pentanet.families.rotation import Rotation
from pentanet.families.table_builder import TableBuilder

if TYPE_CHECKING:
    from pentanet._native import Model
    from pentanet.families.native_parts import NativeParts
    from pentanet.families.network import Network
    from pentanet.nn import WeightFactory


class ModelConfig(Protocol):
    """The sizes of a network that every family has: a frozen dataclass."""

    @property
    def layers(self) -> int:
        """Number of blocks."""
        ...

    @property
    def width(self) -> int:
        """Residual width."""
        ...

    @property
    def hidden(self) -> int:
        """Inner width of the MLP."""
        ...

    @property
    def context(self) -> int:
        """Longest window in tokens."""
        ...

    @classmethod
    def from_hub_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a config.json; raises ConfigError for a missing or wrong value."""
        ...


class TrainedConfig(ModelConfig, Protocol):
    """The sizes of a network that is trained here; its first field, `family`, is the name of its family."""

    def hub_config(self, vocab: int) -> dict[str, Any]:
        """The config.json that `from_hub_config` reads."""
        ...


C = TypeVar("C", bound=ModelConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class Family(Generic[C]):
    """A network family.

    Attributes:
        name: what it is called; of a family that is trained here also the value of `model.family`.
        config: dataclass of its sizes.
        model_types: what config.json calls it.
        tensors: adds the tensors of a network with so many tokens to a table.
        embedding, head: names of the modules that look up tokens and that make logits.
        stores_head_again: whether a file holds the head as a second form of the embedding: both count as one weight.
        network: builds the torch network.
        native: builds the model of the native engine; None where the engine does not have this family.
        checkpoints: its pretrained models; None where none is quantized.
        gguf: llama.cpp's names; None where its networks are not exchanged with llama.cpp.
        blocks: how calibration goes through its blocks; None where calibrated methods do not.
        rotation: what is turned in rotated coordinates; None where it has none.
        check_training: raises ConfigError for sizes that are read and not trained; None where none of them is trained.
    """

    name: str
    config: type[C]
    model_types: tuple[str, ...]
    tensors: Callable[[TableBuilder, C, int], None]
    embedding: str
    head: str
    network: Callable[[C, int, WeightFactory], Network]
    stores_head_again: bool = False
    native: Callable[[NativeParts, C], Model] | None = None
    checkpoints: Checkpoints[C] | None = None
    gguf: GgufNames[C] | None = None
    blocks: Blocks[C] | None = None
    rotation: Rotation[C] | None = None
    check_training: Callable[[C], None] | None = None
