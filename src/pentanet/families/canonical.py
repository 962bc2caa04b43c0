"""One spelling of a config.json, which every program reads alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pentanet.families.registry import config_from_hub, family_of


def canonical_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same config.json with one value for each size, and without the keys that another one overrules.

    A network's sizes can be said in several ways, which may contradict each other, and programs differ in which they
    believe.  What is understood is written down in the plainest way, defaults too; keys that say nothing about the
    network are kept.

    Raises:
        ConfigError: see `config_from_hub`.
    """
    sizes = config_from_hub(config)
    checkpoints = family_of(sizes).checkpoints
    if checkpoints is None:  # of our own making, which has one way to write it
        return dict(config)
    written = checkpoints.keys(sizes, config["model_type"])
    kept = {key: value for key, value in config.items() if key in written or key not in checkpoints.superseded}
    return {**kept, **written}
