"""The script and the style sheet as text. The script's files become one module, so that a page can hold it."""

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


@cache
def script() -> str:
    """One ES module without imports that exports `mount`, `readBundle` and `Explorer`."""
    return _joined("explorer.js", "unpack.js") + "export { Explorer, mount, readBundle };\n"


@cache
def notebook_script() -> str:
    """One ES module as anywidget wants it: its default export has `render`."""
    return _joined("notebook.js") + "export default { render };\n"


@cache
def style() -> str:
    """The style sheet."""
    return (HERE / "explorer.css").read_text(encoding="utf-8")


def _joined(*names: str) -> str:
    """These files of `script/` and all that they import, each once, after what it imports."""
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (HERE / "script" / name).read_text(encoding="utf-8")
        for needed in IMPORT.findall(text):
            add(needed)
        done[name] = EXPORT.sub("", IMPORT.sub("", text))

    for name in names:
        add(name)
    return "\n".join([*done.values(), ""])
