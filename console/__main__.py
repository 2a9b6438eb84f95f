"""``python -m console``: the command ``strongroom``."""

from console.cli import main

main()
