"""Nothing of a visitor's stays: after leaving, when it is old, in the end, and after a kill."""

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from dgrl.app import files
from dgrl.app.files import PREFIX, VisitorFiles, delete_abandoned, visitor_files
from dgrl.locking import FileLock
from tests.app.conftest import Served, connect


@pytest.fixture
def visitors(tmp_path: Path) -> VisitorFiles:
    return VisitorFiles(tmp_path)


def write(visitors: VisitorFiles, name: str, visitor: str | None) -> Path:
    path = visitors.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(name)
    visitors.hold(path, visitor)
    return path


def test_a_file_goes_with_the_last_who_had_a_use_for_it(
    visitors: VisitorFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GRACE", 0)
    visitors.arrive("ann")
    visitors.arrive("bob")
    both, anns, own = write(visitors, "a/both", "ann"), write(visitors, "a/anns", "ann"), write(visitors, "own", None)
    visitors.hold(both, "bob")
    visitors.hold(own, "ann")
    visitors.leave("ann")
    visitors.sweep()
    assert (both.exists(), anns.exists(), own.exists()) == (True, False, True)
    assert not visitors.knows(str(anns))
    late = write(visitors, "late", "ann")  # what was being computed when they left
    visitors.leave("bob")
    visitors.sweep()
    assert (both.exists(), late.exists(), own.exists()) == (False, False, True)


def test_a_connection_that_breaks_for_a_moment_costs_nothing(
    visitors: VisitorFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(visitors, "photo", "ann")
    visitors.arrive("ann")
    visitors.leave("ann")
    visitors.sweep()
    monkeypatch.setattr(files, "GRACE", 0)
    visitors.arrive("ann")  # the new connection comes before the old one is known to be gone
    visitors.arrive("ann")
    visitors.leave("ann")
    visitors.sweep()
    assert path.exists()


@pytest.mark.parametrize(("there", "kept"), [(True, 2 * 3600), (False, 1800)])
def test_what_nobody_uses_grows_old(
    visitors: VisitorFiles, monkeypatch: pytest.MonkeyPatch, there: bool, kept: int
) -> None:
    if there:
        visitors.arrive("ann")
    path, own = write(visitors, "photo", "ann"), write(visitors, "example", None)
    now = time.monotonic()

    def later(seconds: int) -> None:  # for this module alone: servers of other tests go by the clock too
        monkeypatch.setattr(files, "time", SimpleNamespace(monotonic=lambda: now + seconds, time=time.time))

    later(kept)
    visitors.sweep(walk=True)
    assert path.exists()
    later(7 * 3600)
    visitors.sweep(walk=True)
    assert (path.exists(), own.exists()) == (False, True)


def test_deletion_survives_whatever_it_meets(visitors: VisitorFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GRACE", 0)
    monkeypatch.setattr(files, "UNFINISHED_SECONDS", -1)
    monkeypatch.setattr(files, "WALK_SECONDS", -1)
    visitors.arrive("ann")
    replaced, gone, last = (write(visitors, name, "ann") for name in ("z/replaced", "gone", "last"))
    replaced.unlink()
    (replaced / "inside").mkdir(parents=True)
    gone.unlink()
    os.mkfifo(visitors.folder / "fifo")
    (visitors.folder / "link").symlink_to("/")
    (visitors.folder / "names\n\udcff").touch()
    visitors.leave("ann")
    visitors.sweep()
    assert not last.exists()
    visitors.sweep(walk=True)
    visitors.sweep(walk=True)
    assert list(visitors.folder.iterdir()) == []
    assert Path("/").exists()


def test_a_folder_or_a_link_outside_is_never_held(visitors: VisitorFiles, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.touch()
    link = visitors.folder / "link"
    link.symlink_to(outside)
    (visitors.folder / "folder").mkdir()
    for path in (outside, link, visitors.folder / "folder"):
        visitors.hold(path, "ann")
        assert not visitors.knows(str(path))
    visitors.close()
    assert outside.exists()
    assert not visitors.folder.exists()


def test_folders_of_processes_that_are_gone_are_deleted(tmp_path: Path) -> None:
    for name in ("alive", "dead", "without a lock"):
        (tmp_path / f"{PREFIX}{name}" / "inside").mkdir(parents=True)
    (tmp_path / f"{PREFIX}dead.lock").touch()
    (tmp_path / "somebody else's").mkdir()
    lock = FileLock(tmp_path / f"{PREFIX}alive.lock")
    delete_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}alive", f"{PREFIX}alive.lock", "somebody else's"}
    lock.release()
    delete_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"somebody else's"}


def test_a_lock_is_one_s_alone(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "lock")
    lock.release()
    lock.release()
    FileLock(tmp_path / "lock").release()
    assert list(tmp_path.iterdir()) == []


def test_the_thread_that_deletes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    visitors, failed = visitor_files(), threading.Event()

    def fail() -> None:
        failed.set()
        raise RuntimeError("whatever")

    with monkeypatch.context() as patch:
        patch.setattr(visitors, "sweep", fail)
        assert failed.wait(10)
    swept = threading.Event()
    monkeypatch.setattr(visitors, "sweep", swept.set)
    assert swept.wait(10)


def sound(parameter: dict[str, Any], photo: Path) -> Any:
    """An argument that an endpoint takes, as its own description says."""
    if parameter["parameter_name"] == "mask":
        mask = photo.with_name("new_mask.png")
        Image.open(photo).convert("L").point(lambda value: 255 * (value > 127)).save(mask)
        return handle_file(mask)
    if "path" in str(parameter["python_type"].get("type")):
        return handle_file(photo)
    if parameter["parameter_has_default"]:
        return parameter["parameter_default"]
    return parameter["example_input"]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GRACE", 0.2)


def of_visitors() -> set[Path]:
    """The files that are not the app's own."""
    visitors = visitor_files()
    own = {Path(name) for name, file in list(visitors._files.items()) if file.kept}
    # os.walk bears folders that go while it looks, which rglob does not.
    there = (Path(folder, name) for folder, _, names in os.walk(visitors.folder) for name in names)
    return set(there) - own


@pytest.mark.slow
def test_no_endpoint_leaves_anything_of_a_visitor_who_left(
    served: Served, client: Client, new_photo: Path, soon: None
) -> None:
    before = of_visitors()  # those of other tests' visitors, who are leaving too
    names = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert len(names) > 5
    for name, about in names.items():
        visitor = connect(served.url)
        arguments = [sound(parameter, new_photo) for parameter in about["parameters"]]
        visitor.predict(*arguments, api_name=name)
        assert of_visitors() - before, f"{name} wrote nothing"
        visitor.close()
        deadline = time.monotonic() + 30
        while of_visitors() - before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not of_visitors() - before, f"what {name} wrote stays"


def test_results_of_one_visitor_stay_while_they_are_there(
    served: Served, client: Client, new_photo: Path, soon: None
) -> None:
    before = of_visitors()
    saliency, cut, _ = client.predict(handle_file(new_photo), "tiny", 0, api_name="/detect")
    other = connect(served.url)
    other.predict(handle_file(new_photo), "tiny", 0, api_name="/detect")
    written = of_visitors() - before
    assert saliency != cut
    assert written
    other.close()
    time.sleep(3)
    assert written <= of_visitors()


def test_gradio_s_lists_of_files_do_not_grow(served: Served, client: Client, new_photo: Path) -> None:
    client.predict(handle_file(new_photo), "tiny", 0, api_name="/detect")
    assert served.app.get_blocks().upload_file_set == set()
