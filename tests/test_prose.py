"""The prose check finds the turns of phrase to avoid and long sentences, and nothing in this repository."""

import pytest

from tests.helpers import prose

LONG = "This sentence " + "goes on and on " * 9 + "until it ends."


def test_no_file_of_the_repository_has_findings():
    names = prose.tracked_files()
    assert len(names) > 50, "the files were not found"
    texts = {name: (prose.ROOT / name).read_text(encoding="utf-8") for name in names}
    findings = {name: prose.findings(name, text) for name, text in texts.items()}
    assert {name: lines for name, lines in findings.items() if lines} == {}


@pytest.mark.parametrize(
    "turn",
    [
        "Whoever opens it",
        "to whom it belongs",
        "what is no picture",
        "nothing is passed over in silence",
        "the wishes of a session",
        "kept-out pictures",
        "So often it cannot look",
        "answered by nobody",
        "closed_doors",
        "WHOLE = {",
        "what passes a tap",
        "started anew",
        "the page is told its progress",
        "somebody else's file",
        "twenty visitors at once",
    ],
)
def test_each_phrase_to_avoid_is_found_with_its_line(turn):
    (found,) = prose.turns_to_avoid(f"A first line.\n{turn}")
    assert found.startswith("2: '")


def test_plain_words_are_not_found():
    assert not list(prose.turns_to_avoid("The whole photo, several steps, outdoors, hold-out pictures, washes"))


def test_long_sentences_are_found_where_people_read_them():
    assert prose.findings("docs/page.md", f"Short one. {LONG} Short one.")
    assert prose.findings("dgrl/page/words.js", f'show("{LONG[:40]}" +\n  "{LONG[40:]}");')
    assert prose.findings("dgrl/words.py", f'WORDS = ("{LONG[:40]}"\n    "{LONG[40:]}")')
    assert prose.findings("dgrl/page/page.html", f"<p>{LONG}</p>")


@pytest.mark.parametrize(
    "code",
    [
        f'"""{LONG}"""',
        f'class Page:\n    """{LONG}"""',
        f'def show():\n    """Show it.\n\n    Args:\n        page: {LONG[:40]}\n            {LONG[40:]}\n    """',
        f"# {LONG[:40]}\n# {LONG[40:]}\nshow()\n",
    ],
)
def test_long_sentences_are_found_in_docstrings_and_comments(code):
    (found,) = prose.findings("benchmarks/page.py", code)
    assert "words: '" in found


def test_long_sentences_are_found_in_the_comments_of_scripts():
    block = f"/**\n * {LONG[:40]}\n * {LONG[40:]}\n */\n"
    assert len(prose.findings("web/page.js", f"{block}show();\n// {LONG[:40]}\n// {LONG[40:]}\nshow();\n")) == 2


def test_code_tables_and_lists_are_not_one_sentence():
    half = LONG[: len(LONG) // 2]
    assert not prose.findings("docs/page.md", f"```\n{LONG}\n```\n| {half} | {half} |\n\n- {half}\n- {half}\n")
    docstring = f"Show it.\n\n    Args:\n        page: {half}\n        photo: {half}\n    "
    assert not prose.findings("dgrl/words.py", f'def show():\n    """{docstring}"""')
    assert not prose.findings("dgrl/words.js", f"/**\n * @param page {half}\n * @param photo {half}\n */\n")
