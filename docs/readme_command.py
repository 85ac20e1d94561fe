"""README commands: prints one of the command lines that the README gives, so that CI runs the very same."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def command(name: str) -> str:
    """The single line of the code block under `<!-- command: name -->`."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"<!-- command: {re.escape(name)} -->\s*```\w*\n(.+?)\n```", text, re.DOTALL)
    if found is None or "\n" in found[1]:
        sys.exit(f"README.md has no one-line code block under <!-- command: {name} -->")
    return found[1]


if __name__ == "__main__":
    print(command(sys.argv[1]))
