"""Check the words of the repository: turns of phrase to avoid, and sentences that are too long.

`make check` runs it. Rules are in CONTRIBUTING.md.
"""

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = {".py", ".js", ".md", ".html", ".ipynb", ".toml", ".yml", ".sh", ".css", ""}
MOST_WORDS = 35
OURS = {"tests/helpers/prose.py", "tests/test_prose.py"}  # they spell out what they look for

AVOID = {
    r"\bwh(om|o)(so)?ever\b": "say who: 'people who', 'anyone who'",
    r"\bwhom\b": "who",
    r"\bwhatever it (be|is|was)\b": "name the thing",
    r"\bwhat is no\b": "'files that are not …'",
    r"\b(passed|passing|passes) over in silence\b|\bpassed over\b": "skipped",
    r"wish": "request (what is asked for) or edit (a change at a tap)",
    r"\bkept[ -]out\b": "hold-out",
    r"\bso often it\b": "too many time steps",
    r"\bas the story\b": "delete it",
    r"\bnobody\b": "no one is there: say what the code does",
    r"\bdoors?\b|_doors?\b": "function, endpoint or route",
    r"\bwhat passes\b": "the value at the tap",
    r"\bsaid of\b": "described",
    r"\banew\b": "again, or from the start",
    r"\blest\b": "so that … not",
    r"\b(thereof|therein|whereof|wherein|hitherto|nought|upon)\b": "an everyday word",
    r"\bof its own accord\b": "by itself",
    r"\b(is|are|was|were) told\b": "receives, or an active verb",
    r"\bin its midst\b|\bas if it were\b|\bso much that\b": "an everyday phrase",
    r"\bsomebody\b": "say who: 'a user', 'another process'",
    r"\bvisitors?\b": "session (a connection), or user (a person)",
    r"\bwherever it\b": "'anywhere', or name the place",
    r"\bnumbers are numbers\b": "delete it",
    r"\bSEVERAL\b|\bWHOLE\b|as_in_the_whole|\bstriking\b": "INTEGER_FIELDS, TUPLE_FIELDS, valid_interior, most changed",
}


def tracked_files() -> list[str]:
    """Return the repository's text files, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout.decode().split("\0")
    names = [name for name in listed if name and Path(name).suffix in KINDS and (ROOT / name).is_file()]
    return sorted(name for name in names if not (ROOT / name).is_symlink() and name not in OURS | {"LICENSE"})


def turns_to_avoid(text: str) -> Iterator[str]:
    """Yield one finding for each word or turn of `AVOID`, in any case but the constants'."""
    for pattern, better in AVOID.items():
        flags = 0 if "SEVERAL" in pattern else re.IGNORECASE
        for match in re.finditer(pattern, text, flags):
            yield f"{text.count(chr(10), 0, match.start()) + 1}: '{match.group()}': {better}"


def long_sentences(prose: str) -> Iterator[str]:
    """Yield the sentences of more than `MOST_WORDS` words."""
    for sentence in re.split(r"(?<=[.!?…])[\"')\]*]*\s+|\n\s*\n", prose):
        words = re.findall(r"\w[\w'’.,-]*", sentence)
        if len(words) > MOST_WORDS:
            yield f"{len(words)} words: '{' '.join(sentence.split())[:90]} …'"


def prose_of_markdown(text: str) -> str:
    """Return the running text: no front matter, code, formulas, addresses; list items and cells as sentences."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^( *)```.*?^\1```", "\n\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->|<[^>]+>|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`|\$[^$\n]*\$", "code", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"\||\n\s*(?=[-*+] |\d+\. |#|[!?]{3} |:? {4})", "\n\n", text)


def prose_of_script(text: str) -> str:
    """Return the strings of a script that have spaces, joined where they are added together."""
    text = re.sub(r"([\"'`])\s*\+\s*\1", "", text)
    strings = re.findall(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'", text)
    return "\n\n".join(text for pair in strings for text in pair if " " in text)


def docstrings_of(tree: ast.Module) -> list[ast.Constant]:
    """Return the docstrings of a module, its classes and functions."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)]
    return [node.body[0].value for node in nodes]


def prose_of_docstrings(text: str) -> str:
    """Return the docstrings of Python code, with each argument as a paragraph."""
    texts = [inspect.cleandoc(node.value) for node in docstrings_of(ast.parse(text))]
    return prose_of_markdown("\n\n".join(re.sub(r"\n {5,}", " ", docstring) for docstring in texts))


def prose_of_comments(text: str) -> str:
    """Return the comments of Python or JavaScript on lines of their own, with each tag of JSDoc as a paragraph."""
    lines = re.findall(r"(?:^ *(?:#|//) .*\n)+", text, re.MULTILINE)
    blocks = re.findall(r"^ */\*.*?\*/", text, re.MULTILINE | re.DOTALL)
    plain = re.sub(r"^ *(#|//|/?\*+/?) ?", "", "\n\n".join([*lines, *blocks]), flags=re.MULTILINE)
    return prose_of_markdown(re.sub(r"\n(?=@)", "\n\n", plain))


def prose_of_python(text: str) -> str:
    """Return the strings that are not docstrings: messages, help, the texts of the page."""
    tree = ast.parse(text)
    docstrings = {id(node) for node in docstrings_of(tree)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n\n".join(node.value for node in constants if id(node) not in docstrings and " " in node.value)


def prose_of(name: str, text: str) -> str:
    """Return what a person reads of a file outside its code."""
    if name.endswith(".md"):
        return prose_of_markdown(text)
    if name.endswith(".ipynb"):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        return prose_of_markdown("\n\n".join("".join(cell["source"]) for cell in cells))
    if name.endswith(".html"):
        text = re.sub(
            r"\{% block style %\}.*?\{% endblock %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "\n\n", text, flags=re.DOTALL
        )
        return re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", "\n\n", text, flags=re.DOTALL)
    of_package = name.startswith("dgrl/")
    if name.endswith(".js"):
        return prose_of_comments(text) + "\n\n" + (prose_of_script(text) if of_package else "")
    if name.endswith(".py"):
        parts = [prose_of_docstrings(text), prose_of_comments(text), prose_of_python(text) if of_package else ""]
        return "\n\n".join(parts)
    return ""


def source_of(name: str, text: str) -> str:
    """Return the text to search for words: of notebooks the cells' sources, without their outputs."""
    if not name.endswith(".ipynb"):
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def findings(name: str, text: str) -> list[str]:
    """Return what is to be rewritten in one file, one line each."""
    return [*turns_to_avoid(source_of(name, text)), *long_sentences(prose_of(name, text))]


def main() -> None:
    """Print every finding, and exit with 1 if there is one."""
    findings_of = {name: findings(name, (ROOT / name).read_text(encoding="utf-8")) for name in tracked_files()}
    for name, lines in findings_of.items():
        print(*(f"{name}:{line}" for line in lines), sep="\n", end="\n" if lines else "")
    if any(findings_of.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
