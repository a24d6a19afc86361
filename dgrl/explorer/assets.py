"""The script and the style sheet as text. The script's files become one module, so that a page can hold it."""

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)
PUBLIC = ("mount", "readBundle", "Explorer")


@cache
def script() -> str:
    """One ES module without imports that exports `mount`, `readBundle` and `Explorer`."""
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (HERE / "script" / name).read_text(encoding="utf-8")
        for needed in IMPORT.findall(text):
            add(needed)
        done[name] = EXPORT.sub("", IMPORT.sub("", text))

    add("explorer.js")
    add("unpack.js")
    return "\n".join([*done.values(), f"export {{ {', '.join(PUBLIC)} }};\n"])


@cache
def style() -> str:
    """The style sheet."""
    return (HERE / "explorer.css").read_text(encoding="utf-8")
