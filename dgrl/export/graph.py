"""Convert modules to ONNX: one graph, with an input for each edit."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes import Sequential, common
from onnxscript import ir, optimizer, rewriter
from onnxscript.rewriter.rules.common import fuse_pad_into_conv_rule, max_min_rule, min_max_rule
from torch import Tensor, nn

from dgrl.export.inputs import Alterable
from dgrl.taps import listening

OPSET = 18
HALF_FROM = 256
"""Smaller constants stay in float32: scales and biases take little space."""
Compute = Callable[..., Mapping[str, Tensor]]


class Alterations(nn.Module):
    """A computation with taps, as a module whose inputs and outputs are tensors: its own inputs, then those for edits.

    Args:
        networks: holds the weights that `compute` uses.
        compute: the computation, on tensors in the order of `inputs`; it returns further outputs by name.
        inputs: an example of each tensor that it takes, by name, with a batch of two.
        edits: False for a module without altering inputs.

    Attributes:
        defaults: the value of each altering input that changes nothing: the altering inputs by name, in their order.
        outputs: names of what `forward` gives: every tap that is passed, then what `compute` returns.
    """

    def __init__(self, networks: nn.Module, compute: Compute, inputs: Mapping[str, Tensor], edits: bool = True) -> None:
        super().__init__()
        self.networks = networks
        self.compute = compute
        self.inputs = dict(inputs)
        self.edits = edits
        listener, more = self._run(tuple(inputs.values()), {})
        self.defaults = {name: value.detach().clone() for name, value in listener.defaults.items()}
        self.outputs = [*listener.values, *more]

    @torch.no_grad()
    def _run(
        self, inputs: tuple[Tensor, ...], altering: Mapping[str, Tensor]
    ) -> tuple[Alterable, Mapping[str, Tensor]]:
        listener = Alterable(altering, self.edits)
        with listening(listener):
            more = self.compute(*inputs)
        return listener, more

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Compute `outputs` from the inputs and the inputs for edits."""
        count = len(self.inputs)
        altering = dict(zip(self.defaults, tensors[count:], strict=True))
        listener, more = self._run(tensors[:count], altering)
        return (*listener.values.values(), *more.values())


def to_onnx(module: Alterations, batch: bool = True) -> onnx.ModelProto:
    """Export a module to ONNX: all sizes are fixed except the batch's. Without `batch` its size is fixed too."""
    arguments = (*module.inputs.values(), *module.defaults.values())
    of_any_size = {0: torch.export.Dim("batch", min=1, max=1024)}
    shapes: tuple[dict[int, Any], ...] = (of_any_size,) * len(module.inputs) + ({},) * len(module.defaults)
    with _without_stack_traces():
        program = torch.onnx.export(
            module.eval(),
            arguments,
            dynamo=True,
            opset_version=OPSET,
            input_names=[*module.inputs, *module.defaults],
            output_names=module.outputs,
            dynamic_shapes=(shapes,) if batch else None,
            external_data=False,
            optimize=False,
            verbose=False,
        )
    assert program is not None
    _fold(program.model)
    model: onnx.ModelProto = program.model_proto
    _tidy(model)
    return model


def describe(model: onnx.ModelProto, about: str, ports: Mapping[str, str], properties: Mapping[str, str]) -> None:
    """Write into the file what it computes, what its inputs and outputs are, and further properties."""
    model.doc_string = about
    helper.set_model_props(model, dict(properties))
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = ports.get(value.name, "")


@contextmanager
def _without_stack_traces() -> Iterator[None]:
    """Stop PyTorch from recording a stack trace per operator, which takes more time than the rest of the export."""
    settings: Any = getattr(torch.fx, "config", None)
    before = getattr(settings, "do_not_emit_stack_traces", None)  # torch 2.8 has no such setting
    if before is not None:
        settings.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        if before is not None:
            settings.do_not_emit_stack_traces = before


def _fold(model: ir.Model) -> None:
    """Fold constants and merge operators.

    The exporter's own `optimize` tries all of its rules at every node, which doubles the time. Only these rules match
    here, and none of them changes a weight.
    """
    common.InlinePass()(model)
    optimizer.fold_constants(model)
    rewriter.rewrite(model, [min_max_rule, max_min_rule, fuse_pad_into_conv_rule])
    Sequential(
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    )(model)


def _tidy(model: onnx.ModelProto) -> None:
    """Remove metadata of the exporter, and anti-aliasing from resizing that enlarges.

    Anti-aliasing changes nothing when enlarging, and not every runtime supports it.
    """
    model.graph.ClearField("metadata_props")
    sizes = {value.name: _sizes(value) for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        if node.op_type == "Resize":
            before, after = sizes.get(node.input[0]), sizes.get(node.output[0])
            enlarges = before and after and all(a >= b for a, b in zip(after[2:], before[2:], strict=True))
            kept = [one for one in node.attribute if not (enlarges and one.name in ("antialias", "exclude_outside"))]
            del node.attribute[:]
            node.attribute.extend(kept)
    model.graph.ClearField("value_info")


def _sizes(value: onnx.ValueInfoProto) -> list[int]:
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose weights are stored in half precision and converted to float32 when the file is loaded.

    All arithmetic stays in float32, because half precision moves the edges of maps. onnxruntime folds the conversions
    and the batch norms when it loads the file, so a pass takes as long as with weights in float32.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    inputs = {value.name for value in half.graph.input}
    casts, kept = [], []
    for tensor in half.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in inputs or tensor.data_type != TensorProto.FLOAT or values.size < HALF_FROM:
            kept.append(tensor)
            continue
        stored = f"{tensor.name}.half"
        kept.append(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
    nodes = list(half.graph.node)
    del half.graph.initializer[:], half.graph.node[:]
    half.graph.initializer.extend(kept)
    half.graph.node.extend([*casts, *nodes])
    return half


def session(model: onnx.ModelProto | str, **settings: Any) -> Any:
    """Create an onnxruntime session on the CPU from a graph or a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for name, value in settings.items():
        setattr(options, name, value)
    source = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
