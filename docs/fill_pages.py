"""Writes what pages keep of the code's facts, for readers of the files: `python docs/fill_pages.py`.

The site needs none of it: it makes these parts when it is built. With ``--check`` nothing is written, and the exit code
says whether a page keeps what is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))


def main() -> None:
    """Write the pages that changed, and name them."""
    check, changed = "--check" in sys.argv[1:], False
    from from_code import filled, pages_with_parts

    for page in pages_with_parts(DOCS):
        text = page.read_text(encoding="utf-8")
        anew = filled(text, marks=True, only_kept=True)
        if anew != text:
            changed = True
            if not check:
                page.write_text(anew, encoding="utf-8")
            sys.stdout.write(f"{'out of date' if check else 'written'}: {page.relative_to(DOCS.parent)}\n")
    sys.exit(int(check and changed))


if __name__ == "__main__":
    main()
