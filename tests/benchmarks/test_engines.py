"""`python -m benchmarks.engines`: what is timed computes the same map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dgrl import DGRL
from tests.helpers.networks import TRAINED, filled

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.mark.slow
def test_the_file_cut_down_to_the_map_computes_the_same(tmp_path: Path) -> None:
    from benchmarks import engines
    from dgrl.export import export, write
    from dgrl.export.graph import session

    network = filled(DGRL(replace(TRAINED, steps=0)))
    path = tmp_path / "model.onnx"
    export(network, path, edits=False)
    whole, cut = session(str(path)), session(engines.map_alone(onnx.load(path)))
    assert [value.name for value in cut.get_outputs()] == ["brn.refined"]
    assert len(whole.get_outputs()) > 1
    feeds = {name: value.numpy() for name, value in write.pictures(network)[0].items()}
    ours, theirs = (one.run(["brn.refined"], feeds)[0] for one in (cut, whole))
    assert theirs.std() > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_engines_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import engines

    monkeypatch.setattr(engines, "SECONDS", 0)
    called: list[str] = []
    works = {name: lambda name=name: called.append(name) for name in (engines.PYTORCH, engines.WHOLE)}
    times = engines.in_turns(works)
    assert called == [engines.PYTORCH, engines.WHOLE] * (engines.FEWEST + 1)
    assert {len(taken) for taken in times.values()} == {engines.FEWEST}
