"""`python -m pentanet`: the command, where its script is not on the path."""

from pentanet.cli import main

if __name__ == "__main__":
    main()
