"""``python -m speeddial`` is the `speeddial` command."""

from speeddial.cli import main

main()
