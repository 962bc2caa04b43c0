"""Training presets, one TOML file each; `pentanet train PRESET` names them."""
