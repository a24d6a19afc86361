"""Files of sessions are deleted: after a session ends, when they are old, at the process's end, and after a kill."""

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
from dgrl.app.files import PREFIX, SessionFiles, delete_abandoned, session_files
from dgrl.locking import FileLock
from tests.app.conftest import Served, connect


@pytest.fixture
def sessions(tmp_path: Path) -> SessionFiles:
    return SessionFiles(tmp_path)


def write(sessions: SessionFiles, name: str, session: str | None) -> Path:
    path = sessions.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(name)
    sessions.hold(path, session)
    return path


def test_a_file_is_deleted_when_its_last_session_ends(sessions: SessionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GRACE", 0)
    sessions.arrive("ann")
    sessions.arrive("bob")
    shared_file, anns_file, app_file = (
        write(sessions, "a/both", "ann"),
        write(sessions, "a/anns", "ann"),
        write(sessions, "own", None),
    )
    sessions.hold(shared_file, "bob")
    sessions.hold(app_file, "ann")
    sessions.leave("ann")
    sessions.sweep()
    assert (shared_file.exists(), anns_file.exists(), app_file.exists()) == (True, False, True)
    assert not sessions.knows(str(anns_file))
    late = write(sessions, "late", "ann")  # computed after ann's session ended
    sessions.leave("bob")
    sessions.sweep()
    assert (shared_file.exists(), late.exists(), app_file.exists()) == (False, False, True)


def test_a_short_break_of_the_connection_keeps_the_files(
    sessions: SessionFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(sessions, "photo", "ann")
    sessions.arrive("ann")
    sessions.leave("ann")
    sessions.sweep()
    monkeypatch.setattr(files, "GRACE", 0)
    sessions.arrive("ann")  # the new connection opens before the old one is closed
    sessions.arrive("ann")
    sessions.leave("ann")
    sessions.sweep()
    assert path.exists()


@pytest.mark.parametrize(("in_use", "seconds_kept"), [(True, 2 * 3600), (False, 1800)])
def test_unused_files_are_deleted_after_a_while(
    sessions: SessionFiles, monkeypatch: pytest.MonkeyPatch, in_use: bool, seconds_kept: int
) -> None:
    if in_use:
        sessions.arrive("ann")
    path, app_file = write(sessions, "photo", "ann"), write(sessions, "example", None)
    now = time.monotonic()

    def later(seconds: int) -> None:  # patch the clock of this module only: other tests' servers use it too
        monkeypatch.setattr(files, "time", SimpleNamespace(monotonic=lambda: now + seconds, time=time.time))

    later(seconds_kept)
    sessions.sweep(search=True)
    assert path.exists()
    later(7 * 3600)
    sessions.sweep(search=True)
    assert (path.exists(), app_file.exists()) == (False, True)


def test_deletion_goes_on_after_errors(sessions: SessionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GRACE", 0)
    monkeypatch.setattr(files, "UNFINISHED_SECONDS", -1)
    monkeypatch.setattr(files, "WALK_SECONDS", -1)
    sessions.arrive("ann")
    replaced, gone, last = (write(sessions, name, "ann") for name in ("z/replaced", "gone", "last"))
    replaced.unlink()
    (replaced / "inside").mkdir(parents=True)
    gone.unlink()
    os.mkfifo(sessions.folder / "fifo")
    (sessions.folder / "link").symlink_to("/")
    (sessions.folder / "names\n\udcff").touch()
    sessions.leave("ann")
    sessions.sweep()
    assert not last.exists()
    sessions.sweep(search=True)
    sessions.sweep(search=True)
    assert list(sessions.folder.iterdir()) == []
    assert Path("/").exists()


def test_a_folder_or_a_link_outside_is_never_held(sessions: SessionFiles, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.touch()
    link = sessions.folder / "link"
    link.symlink_to(outside)
    (sessions.folder / "folder").mkdir()
    for path in (outside, link, sessions.folder / "folder"):
        sessions.hold(path, "ann")
        assert not sessions.knows(str(path))
    sessions.close()
    assert outside.exists()
    assert not sessions.folder.exists()


def test_folders_of_processes_that_are_gone_are_deleted(tmp_path: Path) -> None:
    for name in ("alive", "dead", "without a lock"):
        (tmp_path / f"{PREFIX}{name}" / "inside").mkdir(parents=True)
    (tmp_path / f"{PREFIX}dead.lock").touch()
    (tmp_path / "another program's").mkdir()
    lock = FileLock(tmp_path / f"{PREFIX}alive.lock")
    delete_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}alive", f"{PREFIX}alive.lock", "another program's"}
    lock.release()
    delete_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"another program's"}


def test_only_one_process_can_hold_a_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "lock")
    lock.release()
    lock.release()
    FileLock(tmp_path / "lock").release()
    assert list(tmp_path.iterdir()) == []


def test_the_deleting_thread_survives_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, failed = session_files(), threading.Event()

    def fail() -> None:
        failed.set()
        raise RuntimeError("whatever")

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "sweep", fail)
        assert failed.wait(10)
    swept = threading.Event()
    monkeypatch.setattr(sessions, "sweep", swept.set)
    assert swept.wait(10)


def valid_argument(parameter: dict[str, Any], photo: Path) -> Any:
    """Return an argument that an endpoint accepts, as its description says."""
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
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GRACE", 0.2)


def session_file_paths() -> set[Path]:
    """Return the files of sessions, without the app's own."""
    sessions = session_files()
    app_file = {Path(name) for name, file in list(sessions._files.items()) if file.kept}
    # os.walk tolerates folders that disappear meanwhile; rglob does not.
    written_files = (Path(folder, name) for folder, _, names in os.walk(sessions.folder) for name in names)
    return set(written_files) - app_file


@pytest.mark.slow
def test_no_endpoint_leaves_files_after_the_session_has_ended(
    served: Served, client: Client, new_photo: Path, short_delays: None
) -> None:
    before = session_file_paths()  # files of other tests' sessions, which may end meanwhile
    names = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert len(names) > 5
    for name, about in names.items():
        session = connect(served.url)
        arguments = [valid_argument(parameter, new_photo) for parameter in about["parameters"]]
        session.predict(*arguments, api_name=name)
        assert session_file_paths() - before, f"{name} wrote nothing"
        session.close()
        deadline = time.monotonic() + 30
        while session_file_paths() - before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not session_file_paths() - before, f"files of {name} stay"


def test_results_stay_while_their_session_is_open(
    served: Served, client: Client, new_photo: Path, short_delays: None
) -> None:
    before = session_file_paths()
    saliency, cut, _ = client.predict(handle_file(new_photo), "tiny", 0, api_name="/detect")
    other = connect(served.url)
    other.predict(handle_file(new_photo), "tiny", 0, api_name="/detect")
    written = session_file_paths() - before
    assert saliency != cut
    assert written
    other.close()
    time.sleep(3)
    assert written <= session_file_paths()


def test_gradio_s_lists_of_files_do_not_grow(served: Served, client: Client, new_photo: Path) -> None:
    client.predict(handle_file(new_photo), "tiny", 0, api_name="/detect")
    assert served.app.get_blocks().upload_file_set == set()
