"""`python -m benchmarks`: tracked files change only where `--write` says so."""

import subprocess
import sys

import pytest

from benchmarks import __main__ as program


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Write a page with two sections."""
    path = tmp_path / "README.md"
    path.write_text("<!-- parts -->\nold\n<!-- end of parts -->\n<!-- data -->\nold\n<!-- end of data -->\n")
    monkeypatch.setattr(program, "PAGE", path)
    return path


@pytest.fixture
def commands(monkeypatch):
    """Record the commands; each prints "new"."""
    result = []

    def run(command, **_):
        result.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="new\n")

    monkeypatch.setattr(subprocess, "run", run)
    return result


@pytest.mark.parametrize("words", [("parts", "MYDATA"), ("data",)])
def test_without_write_it_only_prints(page, commands, monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    before = page.read_text()
    program.main()
    assert page.read_text() == before
    assert "--json" not in commands[0]
    assert "new" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("parts", "MYDATA", "--write"), ("data", "--write")])
def test_with_write_it_replaces_the_section(page, commands, monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    program.main()
    assert page.read_text().count("new") == 1
    assert ("--json" in commands[0]) == (words[0] == "parts")


def test_the_page_is_about_the_weights_that_ship(page, commands, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "parts", "MYDATA", "--weights", "mine", "--write"])
    with pytest.raises(SystemExit, match="does not go with --weights"):
        program.main()
    assert not commands
