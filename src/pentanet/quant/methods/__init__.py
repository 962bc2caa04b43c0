"""One file per paper, or per question of ours.  Each defines METHODS; the registry finds the files by itself."""
