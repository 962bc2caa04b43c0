"""The command `pentanet`: one file per subcommand, no logic of its own."""

from pentanet.cli.app import main

__all__ = ["main"]
