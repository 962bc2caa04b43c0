"""The plug-in for transformers: importing it registers the quantization method "pentanet" there (see `..hook`)."""

from transformers.quantizers.auto import register_quantization_config, register_quantizer

from pentanet.format.model_dir import QUANT_METHOD
from pentanet.integrations.hf.config import PentaNetConfig
from pentanet.integrations.hf.modules import use_engine
from pentanet.integrations.hf.quantizer import PentaNetQuantizer

__all__ = ["PentaNetConfig", "PentaNetQuantizer", "use_engine"]

register_quantization_config(QUANT_METHOD)(PentaNetConfig)
register_quantizer(QUANT_METHOD)(PentaNetQuantizer)
