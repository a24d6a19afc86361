"""The script and the style sheet as text. The script's files become one module, so that a page can hold it."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[\w./-]+\.js)";\n', re.MULTILINE)
NAMED = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


@cache
def script() -> str:
    """One ES module without imports that exports `mount`, `readBundle` and `Explorer`."""
    return joined(HERE / "script/explorer.js", HERE / "script/unpack.js") + "export { Explorer, mount, readBundle };\n"


@cache
def notebook_script() -> str:
    """One ES module as anywidget wants it: its default export has `render`."""
    return joined(HERE / "script/notebook.js") + "export default { render };\n"


@cache
def style() -> str:
    """The style sheet."""
    return (HERE / "explorer.css").read_text(encoding="utf-8")


def joined(*files: Path) -> str:
    """These modules and all that they import, each once, after what it imports; nothing is exported any more.

    Raises:
        ValueError: two of them give something the same name.
    """
    done: dict[Path, str] = {}

    def add(file: Path) -> None:
        if file in done:
            return
        text = file.read_text(encoding="utf-8")
        for needed in IMPORT.findall(text):
            add((file.parent / needed).resolve())
        done[file] = EXPORT.sub("", IMPORT.sub("", text))

    for file in files:
        add(file.resolve())
    names = Counter(name for text in done.values() for name in NAMED.findall(text))
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"several modules of the script have {', '.join(twice)} of their own")
    return "\n".join([*done.values(), ""])
