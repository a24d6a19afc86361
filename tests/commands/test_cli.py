"""The program `dgrl`: what it writes, what it refuses, what it says and with which exit code it ends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl import DGRL, Trace, cli
from dgrl import checkpoint as checkpoints
from dgrl.commands.photos import find_photos, name_maps
from dgrl.running.device import DeviceError, choose_device, rewrite_for_inference
from dgrl.running.precision import choose_precision, in_use, set_precision
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    filled(DGRL(TINY)).save_pretrained(folder)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change to an empty folder and return it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def dgrl(checkpoint, monkeypatch, capsys):
    """Run a command line: (exit code, lines of stdout, lines of stderr)."""
    monkeypatch.setenv("DGRL_WEIGHTS", str(checkpoint))

    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err or "-v" in arguments
        return code, out.splitlines(), err.splitlines()

    return run


def photo(path, size=(60, 40), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture, _ = draw_photo(size[1], size[0], seed=len(path.name))
    Image.fromarray(picture).convert(mode).save(path)
    return path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_detect_writes_a_grey_map_of_the_photos_size(dgrl, here, checkpoint):
    photo(here / "cat.jpg", (61, 43))
    code, out, err = dgrl("detect", "cat.jpg")
    assert (code, err) == (0, [])
    assert out[-1] == f"cat.jpg -> {Path('saliency/cat.png')}"
    assert files(here) == ["cat.jpg", "saliency/cat.png"]
    with Image.open("saliency/cat.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (61, 43))
        written = np.asarray(image).astype(float)
    expected = DGRL.from_pretrained(checkpoint).detect("cat.jpg") * 255
    assert np.abs(written - expected).max() < 0.03 * 255  # bfloat16, where the CPU has it
    dgrl("detect", "cat.jpg", "--precision", "fp32")
    with Image.open("saliency/cat.png") as image:
        assert np.abs(np.asarray(image) - expected).max() <= 1


def test_detect_cutout(dgrl, here):
    photo(here / "cat.png")
    code, _, _ = dgrl("detect", "cat.png", "--cutout", "-o", "out")
    assert code == 0
    assert files(here / "out") == ["cat.png", "cat_cutout.png"]
    with Image.open("out/cat_cutout.png") as cut, Image.open("out/cat.png") as grey:
        assert (cut.mode, cut.size) == ("RGBA", (60, 40))
        assert np.array_equal(np.asarray(cut)[:, :, 3], np.asarray(grey))


def test_detect_options_reach_the_network(dgrl, here):
    photo(here / "a.png")
    maps = []
    for steps in (0, 3):
        assert dgrl("detect", "a.png", "--steps", steps, "--device", "cpu", "--precision", "fp32")[0] == 0
        with Image.open("saliency/a.png") as image:
            maps.append(np.asarray(image))
    assert not np.array_equal(*maps)


def test_all_good_files_of_a_folder_with_a_bad_file_are_done(dgrl, here):
    good = [photo(here / "in" / name) for name in ("a.jpg", "b.PNG", "c.webp")]
    photo(here / "in" / "inner" / "d.jpg")
    (here / "in" / "broken.jpg").write_bytes(good[0].read_bytes()[:300])
    (here / "in" / "notes.txt").write_text("not meant")
    (here / "in" / "._a.jpg").write_bytes(b"resource fork")
    code, out, err = dgrl("detect", "in", "-o", "out")
    assert code == 2
    assert sorted(line.split(":")[1].strip() for line in err) == [
        str(Path("in", name)) for name in ("broken.jpg", "inner", "notes.txt")
    ]
    assert files(here / "out") == ["a.png", "b.png", "c.png"]
    assert len(out) == 4  # a line for the network, and one for each map


@pytest.mark.parametrize(
    ("name", "contents", "reason"),
    [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"a letter", "not a picture"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(40), "not a picture"),
        ("missing.jpg", None, "no such file"),
        ("line\nbreak.jpg", b"", "empty"),
        (os.fsdecode(b"caf\xe9.jpg"), b"", "empty"),
    ],
)
def test_refused_inputs(dgrl, here, name, contents, reason):
    if contents is not None:
        Path(name).write_bytes(contents)
    before = files(here)
    code, _, err = dgrl("detect", name, "-o", "out")
    assert code == 2
    assert len(err) == 1
    assert reason in err[0]
    assert err[0].isprintable()
    assert files(here) == before
    photo(here / "good.png")
    code, _, err = dgrl("detect", name, "good.png", "-o", "out")
    assert code == 2
    assert len(err) == 1
    assert files(here / "out") == ["good.png"]


def test_huge_pictures_and_empty_folders_are_refused(dgrl, here):
    Image.new("1", (11_000, 10_000)).save("huge.png")
    Path("nothing").mkdir()
    code, _, err = dgrl("detect", "huge.png", "nothing")
    assert code == 2
    assert len(err) == 2
    assert any("huge.png: it has 11,000×10,000 pixels" in line for line in err)
    assert any("nothing: there are no pictures" in line for line in err)
    assert not Path("saliency").exists()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16", "F", "LAB"])
def test_modes(dgrl, here, mode):
    if mode == "F":
        Image.fromarray(draw_photo()[0][:, :, 0].astype(np.float32) / 255).save("a.tif")
    elif mode == "I;16":
        Image.fromarray(draw_photo()[0][:, :, 0].astype(np.uint16) * 257).save("a.tif")
    else:
        photo(here / "a.tif", mode=mode)
    code, _, err = dgrl("detect", "a.tif", "--cutout")
    assert (code, err) == (0, [])
    assert files(here / "saliency") == ["a.png", "a_cutout.png"]


@pytest.mark.parametrize("size", [(1, 1), (20000, 1), (1, 20000), (20, 20000)])
def test_extreme_shapes(dgrl, here, size):
    Image.new("RGB", size, "orange").save("strip.png")
    assert dgrl("detect", "strip.png")[0] == 0
    with Image.open("saliency/strip.png") as image:
        assert image.size == size


def test_photos_are_never_overwritten(dgrl, here):
    photos = [photo(here / name) for name in ("a.png", "b.jpg", "b_cutout.png")]
    before = [path.read_bytes() for path in photos]
    code, _, err = dgrl("detect", ".", "-o", ".", "--cutout")
    assert (code, err) == (0, [])
    assert [path.read_bytes() for path in photos] == before
    made = set(files(here)) - {"a.png", "b.jpg", "b_cutout.png"}
    assert {"a.png.png", "a.png_cutout.png", "b.jpg.png", "b.jpg_cutout.png"} <= made
    assert len(made) == 6
    code, _, err = dgrl("detect", "a.png", "-o", "a.png")
    assert code == 1
    assert "the photo itself" in err[0]
    assert [path.read_bytes() for path in photos] == before


def test_photos_with_the_same_name_have_separate_maps(dgrl, here):
    for name in ("x/a.jpg", "x/a.png", "y/a.jpg", "y/b.jpg"):
        photo(here / name)
    code, out, _ = dgrl("detect", "x", "y", "x/a.jpg", "-o", "out")
    assert code == 0
    assert files(here / "out") == ["a.png.png", "b.png", "x_a.jpg.png", "y_a.jpg.png"]
    assert f"{Path('y/a.jpg')} -> {Path('out/y_a.jpg.png')}" in out


def test_names_are_always_different(tmp_path):
    names = [
        "p/a.jpg",
        "p/A.JPG",
        "q/p/a.jpg",
        "a.jpg.gif",
        "a_cutout.bmp",
        "p_a.jpg.gif",
        "a.jpg",
        "é.jpg",
        "a.jpg_3.bmp",
    ]
    photos = [tmp_path / name for name in names]
    maps = name_maps(photos, tmp_path)
    assert list(maps) == photos
    written = [str(path).casefold() for path in maps.values()]
    written += [path.removesuffix(".png") + "_cutout.png" for path in written]
    assert len(set(written)) == 2 * len(photos)
    assert not set(written) & {str(path).casefold() for path in photos}


def test_find_photos_takes_each_once(here):
    photo(here / "in" / "a.png")
    Path("link.png").symlink_to(here / "in" / "a.png")
    refused = []
    assert find_photos([Path("in"), Path("link.png"), Path("in/a.png"), Path("no")], refused.append) == [
        Path("in/a.png")
    ]
    assert len(refused) == 1


def test_out_may_be_a_file_for_one_photo(dgrl, here):
    photo(here / "a.jpg")
    photo(here / "b.jpg")
    assert dgrl("detect", "a.jpg", "-o", "masks/mine.PNG", "--cutout")[0] == 0
    assert files(here / "masks") == ["mine.PNG", "mine_cutout.png"]
    for arguments, reason in (
        (("a.jpg", "b.jpg", "-o", "x.png"), "for 2 photos"),
        (("a.jpg", "-o", "b.jpg"), "is there already and is not a map"),
    ):
        code, _, err = dgrl("detect", *arguments)
        assert code == 1
        assert len(err) == 1
        assert reason in err[0]
    assert dgrl("detect", "a.jpg", "-o", "x.jpg")[0] == 0
    assert dgrl("detect", "a.jpg", "-o", "x.jpg")[0] == 0, "a map of an earlier run is replaced"
    Path("plain").write_text("a file")
    assert dgrl("detect", "a.jpg", "-o", "plain")[0] == 1
    assert Path("plain").read_text() == "a file"


def test_a_folder_that_cannot_be_made(dgrl, here):
    photo(here / "a.jpg")
    assert dgrl("detect", "a.jpg", "-o", "x.jpg")[0] == 0
    assert dgrl("detect", "a.jpg", "-o", "x.jpg")[0] == 0, "a map of an earlier run is replaced"
    Path("plain").write_text("a file")
    code, _, err = dgrl("detect", "a.jpg", "-o", "plain/inner")
    assert code == 1
    assert err == [f"dgrl: {Path('plain/inner')}: Not a directory"]


def test_incomplete_files_are_removed(dgrl, here, monkeypatch):
    photo(here / "a.jpg")
    Path("saliency").mkdir()
    Path("saliency/a.png").write_bytes(b"an earlier map")

    def fail(self, path, *_, **__):
        Path(path).write_bytes(b"half a map")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    code, _, err = dgrl("detect", "a.jpg")
    assert code == 1
    assert len(err) == 1
    assert "No space left" in err[0]
    assert files(here) == ["a.jpg", "saliency/a.png"]
    assert Path("saliency/a.png").read_bytes() == b"an earlier map"


def test_checkpoints_that_cannot_be_loaded(dgrl, here, checkpoint, monkeypatch):
    photo(here / "a.jpg")
    Path("hollow").mkdir()
    code, _, err = dgrl("detect", "a.jpg", "--weights", "hollow")
    assert (code, len(err)) == (1, 1)
    assert "hollow is not a checkpoint" in err[0]
    monkeypatch.delenv("DGRL_WEIGHTS")
    monkeypatch.setattr(checkpoints, "SHIPPED_WEIGHTS", here / "none")
    code, _, err = dgrl("detect", "a.jpg")
    assert (code, len(err)) == (1, 1)
    assert "--weights" in err[0]
    monkeypatch.setattr(checkpoints, "SHIPPED_WEIGHTS", checkpoint)
    code, out, _ = dgrl("detect", "a.jpg")
    assert code == 0
    assert out[0].startswith("tiny on cpu, ")


def test_a_network_that_gives_nan_is_an_error(dgrl, here):
    model = filled(DGRL(TINY))
    with torch.no_grad():
        model.brn.layers[0].weight.fill_(float("nan"))
    model.save_pretrained("broken")
    photo(here / "a.jpg")
    code, _, err = dgrl("detect", "a.jpg", "--weights", "broken")
    assert (code, len(err)) == (1, 1)
    assert "NaN" in err[0]
    assert not Path("saliency").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["dtect"],
        ["detect"],
        ["detect", "a.jpg", "--stps", "3"],
        ["detect", "a.jpg", "--steps", "-1"],
        ["detect", "a.jpg", "--steps", "many"],
        ["detect", "a.jpg", "--device", "abacus"],
        ["detect", "a.jpg", "--precision", "int3"],
        ["trace"],
        ["trace", "a.jpg", "-o", "a.jpg"],
        ["app", "--port", "seven"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_1(dgrl, here, arguments):
    photo(here / "a.jpg")
    code, _, err = dgrl(*arguments)
    assert (code, len(err)) == (1, 1)
    assert err[0].startswith("dgrl: ")
    assert files(here) == ["a.jpg"]


def test_verbose_shows_where_an_error_comes_from(dgrl, here):
    Path("bad.jpg").write_bytes(b"")
    for arguments in (("detect", "bad.jpg", "-v"), ("-v", "detect", "bad.jpg")):
        code, _, err = dgrl(*arguments)
        assert code == 2
        assert any("Traceback" in line for line in err)


def test_an_interruption_is_no_traceback(dgrl, here, monkeypatch):
    photo(here / "a.jpg")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(DGRL, "detect", interrupt)
    assert dgrl("detect", "a.jpg")[::2] == (1, ["dgrl: interrupted"])


def test_progress_on_a_terminal(dgrl, here, monkeypatch):
    for name in ("a.jpg", "b.jpg"):
        photo(here / name)
    Path("bad.jpg").write_bytes(b"")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, err = dgrl("detect", "a.jpg", "bad.jpg", "b.jpg", "missing.jpg")
    assert code == 2
    assert out[-1] == "2 of 3 photos are done; the results are in saliency"
    assert any("3/3" in line for line in err)
    assert any("bad.jpg: the file is empty" in line for line in err)


@pytest.mark.slow
def test_trace_fills_a_folder(dgrl, here):
    photo(here / "my cat.jpg")
    code, _, err = dgrl("trace", "my cat.jpg", "--steps", 2)
    assert (code, err) == (0, [])
    folder = here / "my cat_trace"
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.txt", "report.html", "trace.npz", "saliency.png", "cutout.png", "maps", "figures"}
    trace = Trace.load(folder / "trace.npz")
    assert len(trace.steps) == 3
    with Image.open(folder / "saliency.png") as image:
        assert image.size == (60, 40)
        assert np.array_equal(np.asarray(image), np.rint(trace.saliency * 255))
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "tiny" in page  # the checkpoint
    assert "cpu, " in page
    assert (folder / "maps" / "rln.t2.conv5.weight_map.png").exists()
    # Fewer steps leave nothing of the earlier run.
    assert dgrl("trace", "my cat.jpg", "--steps", 1)[0] == 0
    assert not list(folder.glob("maps/rln.t2*"))


def test_trace_refuses_a_bad_photo(dgrl, here):
    Path("bad.jpg").write_bytes(b"")
    code, _, err = dgrl("trace", "bad.jpg", "-o", "out")
    assert (code, len(err)) == (2, 1)
    assert files(here) == ["bad.jpg"]


def test_the_app_command_passes_its_options_on(dgrl, here, monkeypatch):
    app = pytest.importorskip("dgrl.app")
    calls = []
    monkeypatch.setattr(app, "launch", lambda *options: calls.append(options))
    assert dgrl("app", "--port", 7999, "--host", "0.0.0.0", "--root-path", "/dgrl")[0] == 0
    assert dgrl("app", "--weights", "w", "--weights", "v", "--share")[0] == 0
    assert calls == [
        ((), 7999, False, False, "0.0.0.0", "/dgrl"),
        (["w", "v"], None, True, False, None, None),
    ]


def test_help_needs_no_pytorch():
    code = "import sys, dgrl.cli; code = dgrl.cli.main(['--help']); sys.exit(code or 'torch' in sys.modules)"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    for command in cli.COMMANDS:
        assert command in completed.stdout


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_explains_itself(dgrl, command):
    code, out, err = dgrl(command, "--help")
    assert (code, err) == (0, [])
    assert len(out) > 5


def test_python_m_dgrl_is_the_same_program(here):
    completed = subprocess.run(
        [sys.executable, "-m", "dgrl", "detect", "no.jpg"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )
    assert completed.returncode == 2
    assert completed.stderr == "dgrl: no.jpg: there is no such file\n"
    assert completed.stdout == ""


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(DeviceError, match="cpu"):
        choose_device("abacus")
    with pytest.raises(DeviceError, match="fp32"):
        choose_precision("int3")
    assert choose_precision("auto") == "fp32"
    assert in_use(torch.device("cpu"), "bf16") == "cpu, bf16"


def test_bf16_maps_are_close_to_fp32():
    model = filled(DGRL(TINY))
    rewrite_for_inference(model, torch.device("cpu"))
    picture, _ = draw_photo()
    traces = {}
    for precision in ("fp32", "bf16"):
        set_precision(model, precision)
        traces[precision] = model.trace(picture)
    difference = np.abs(traces["fp32"].saliency - traces["bf16"].saliency).max()
    assert 0 < difference < 0.02
    pixel = traces["bf16"].pixel(60, 45)
    assert 1 / (1 + np.exp(pixel.background - pixel.foreground)) == pytest.approx(pixel.refined, abs=1e-6)


@pytest.mark.slow
def test_processes_share_the_photos(here, checkpoint):
    """Two processes of `torchrun` divide the work."""
    for index in range(5):
        photo(Path("in", f"{index}.png"))
    (here / "in" / "bad.png").write_bytes(b"no picture")
    environment = os.environ | {"DGRL_WEIGHTS": str(checkpoint), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dgrl"]
    completed = subprocess.run([*command, "detect", "in", "-o", "out", "--device", "cpu"], capture_output=True,
                          text=True, env=environment, check=False)  # fmt: skip
    assert sorted(path.name for path in (here / "out").iterdir()) == [f"{index}.png" for index in range(5)]
    assert sorted(line.split(" -> ")[0] for line in completed.stdout.splitlines() if " -> " in line) == [
        str(Path("in") / f"{index}.png") for index in range(5)
    ]
    assert completed.stderr.count("bad.png: this is not a picture") == 1
