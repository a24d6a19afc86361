"""Memory that tensors free stays with the process: requesting it again costs a page fault for every 4 KB."""

import os
import platform
import subprocess
import sys

import pytest

from dgrl import DGRL
from dgrl.running import memory
from tests.helpers.networks import TINY, draw_photo, filled

FAULTS = """
import resource, sys, threading, torch
from dgrl.running.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
torch.set_num_threads(1)
def allocate():
    # At first every thread keeps slivers beside aligned pieces to itself, seven of a size: gaps are too narrow then.
    for _ in range(16):
        torch.ones(20_000_000)  # 80 MB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.ones(20_000_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
if sys.argv[2] == "main":
    allocate()
else:
    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
"""


def printed(code, *arguments):
    """Return the numbers that code prints in its own process."""
    command = [sys.executable, "-c", code, *arguments]
    return [float(word) for word in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]


@pytest.fixture(scope="module")
def returned():
    """Count the page faults where freed memory is not kept."""
    (count,) = printed(FAULTS, "return", "main")
    huge = 2**21
    assert count > 3 * 80e6 / huge / 2, "there is nothing to keep: even with huge pages there would be more faults"
    return count


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives freed memory back so soon")
@pytest.mark.parametrize("thread", ["main", "another"])
@pytest.mark.slow
def test_freed_memory_is_kept(thread, returned):
    (kept,) = printed(FAULTS, "keep", thread)
    assert kept < returned / 10


@pytest.fixture
def settings(monkeypatch):
    """Collect the settings for glibc as (setting, value) pairs, without applying them."""
    made = []
    monkeypatch.setattr(memory, "_kept", [])
    monkeypatch.setattr(memory, "_of_glibc", lambda name: lambda *setting: made.append(setting))
    monkeypatch.delenv("DGRL_KEEP_MEMORY", raising=False)
    for name in list(os.environ):
        if name.startswith(("MALLOC_", "GLIBC_TUNABLES")):
            monkeypatch.delenv(name)
    return made


def test_the_library_keeps_what_one_pass_needs(settings):
    network = filled(DGRL(TINY))
    for _ in range(2):
        network.detect(draw_photo(50, 70)[0])
    assert dict(settings) == {-1: 256 * 2**20, -3: 32 * 2**20}
    assert len(settings) == 2, "set once"


@pytest.mark.parametrize("variable", ["", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "DGRL_KEEP_MEMORY"])
def test_the_library_leaves_what_was_chosen(variable, settings, monkeypatch):
    if variable:
        monkeypatch.setenv(variable, "0")
    else:
        memory.keep_freed_memory()
    before = list(settings)
    memory.keep_memory_of_a_pass()
    assert settings == before


GAPS = """
import os, torch
from benchmarks.timing import held_memory
from dgrl.running.memory import keep_freed_memory, return_freed_memory
keep_freed_memory()
tensors = [torch.ones(2**18) for _ in range(400)]  # 1 MB each
full = held_memory(os.getpid())
del tensors[::2]
freed = held_memory(os.getpid())
return_freed_memory()
print(full - freed, freed - held_memory(os.getpid()))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have their own ways")
def test_freed_memory_is_returned_from_between_what_is_in_use():
    at_once, when_asked = printed(GAPS)
    assert at_once < 20
    assert when_asked > 150
