"""The graph that the parity tests run is the authors', and our network has its parameters."""

import hashlib
import math

import torch

from dgrl import DGRL, DGRLConfig
from dgrl.caffe.convert import FACTOR, FIXED, brn_layers, rln_layers
from tests.helpers.caffe_network import COPIES, brn_network, rln_network

# Number and SHA-256 of the lines of `listing` for stage1/test/deploy.prototxt and stage2/test/deploy.prototxt.
PUBLISHED = {
    "rln": (855, "6a67dca5b575f2e6d8fd75e600ab9ed741623d50fa54482c0441e640d8301b59"),
    "brn": (23, "1803f96839d67cc3026f65aacb0b659b4f45d5b12421535bdbf1b156974b13df"),
}
# Learned parameters by part: the authors' network, and `DGRLConfig()`, which is the same with timm's ResNet-50. The
# authors' backbone normalises its input (6 parameters more) and has a bias in its first convolution (64 more). Its
# batch-norm stands before each unit instead of after it (7,680 fewer). Both have a first shortcut of 64×256.
COUNTS = {
    "backbone": (23_500_422, 23_508_032),
    "feedback": (24_920_064, 24_920_064),
    "head of t = 0": (13_667_522, 13_667_522),
    "head of t = 1": (13_667_522, 13_667_522),
    "head of t = 2": (13_667_522, 13_667_522),
    "BRN": (474_073, 474_073),
}


def listing(network):
    for layer in network:
        shapes = " ".join("x".join(map(str, shape)) for shape in layer.shapes)
        yield "\t".join((layer.name, layer.kind, ",".join(layer.inputs), layer.output, shapes))


def test_graphs_are_the_published_ones():
    for name, network in (("rln", rln_network()), ("brn", brn_network())):
        lines = list(listing(network))
        assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == PUBLISHED[name]


def test_importer_knows_every_layer_with_parameters():
    for network, layers in ((rln_network(), rln_layers()), (brn_network(), brn_layers())):
        expected = {layer.name: len(layer.shapes) for layer in network if layer.shapes}
        assert {name: len(tensors) for name, tensors in layers.items()} == expected


def test_common_layers_equal_torchvisions():
    result = {}
    for layer in rln_network():
        for tensor, parameter in zip(rln_layers().get(layer.name, ()), layer.parameters, strict=True):
            if tensor != FACTOR:
                result.setdefault(tensor, set()).add(parameter)
    assert all(len(parameters) == 1 for parameters in result.values())
    assert len({next(iter(parameters)) for parameters in result.values()}) == len(result)


def test_the_networks_have_the_expected_parameter_counts():
    expected = counted_theirs()
    published, default = counted_ours(DGRLConfig.published()), counted_ours(DGRLConfig())
    for part, count in COUNTS.items():
        print(f"{part:15} {expected[part]:12,} {published[part]:12,} {default[part]:12,}")
        assert (expected[part], published[part], default[part]) == (count[0], *count)
    assert expected.keys() == published.keys() == COUNTS.keys()
    assert sum(published.values()) == 89_897_125
    assert sum(default.values()) == 89_904_735


def counted_theirs():
    """Count each shared parameter once, without batch norm's statistics and BRN's constants."""
    counts, seen = dict.fromkeys(COUNTS, 0), set()
    for layer in (*rln_network(), *brn_network()):
        part = part_of(layer.name) if layer.name in rln_layers() else "BRN"
        if layer.kind == "BatchNorm" or layer.name in FIXED:
            continue
        for shape, parameter in zip(layer.shapes, layer.parameters, strict=True):
            counts[part] += math.prod(shape) if parameter not in seen else 0
            seen.add(parameter)
    return counts


def part_of(name):
    copy = next(i for i in (2, 1, 0) if name.endswith(COPIES[i]))
    if name.startswith(("conv6", "conv7", "spa.att")):
        return f"head of t = {copy}"
    return "feedback" if name.removesuffix(COPIES[copy]).endswith("-c") else "backbone"


def counted_ours(config):
    with torch.device("meta"):
        model = DGRL(config)
    modules = {"backbone": model.rln.backbone, "feedback": model.rln.recurrent_step, "BRN": model.brn}
    modules |= {f"head of t = {t}": head for t, head in enumerate(model.rln.heads)}
    return {part: sum(p.numel() for p in module.parameters()) for part, module in modules.items()}
