"""The authors' Caffe networks, layer by layer, from a compact description.

With its default sizes `rln_network` gives the 855 layers of the published network, with their names, inputs, settings,
parameter shapes and shared parameters. Smaller sizes keep the names.
"""

from dataclasses import dataclass

UNITS = {64: 3, 128: 4, 256: 6, 512: 3}
COPIES = ("", "-net2", "-net3")


@dataclass(frozen=True)
class Layer:
    """One layer; `parameters` names each blob: copies that share a parameter name it alike."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    shapes: tuple[tuple[int, ...], ...] = ()
    parameters: tuple[str, ...] = ()
    settings: str = ""


@dataclass(frozen=True)
class Sizes:
    image: int = 384
    width: int = 64  # channels of conv1
    context: int = 32
    side: int = 128


class Network(list[Layer]):
    """Layers, and short ways to add one. An output is its layer's name unless it is said, or the layer is in place."""

    copy = ""  # the ending that layers, and inputs with no ending of their own, get

    def add(self, kind, name, inputs, shapes=(), parameters=(), settings="", output=None):
        name += self.copy
        output = name if output is None else output + self.copy
        inputs = tuple(source[1:] if source.startswith("=") else source + self.copy for source in inputs)
        parameters = tuple(parameters) or tuple(f"{name}/{i}" for i in range(len(shapes)))
        self.append(Layer(kind, name, inputs, output, tuple(shapes), parameters, settings))

    def conv(self, name, source, channels, kernel, stride=1, bias=False, shared=None):
        """Add a convolution; `channels` is (from, to), `shared` the end of its shared parameters' names."""
        inputs, outputs = channels
        pad = kernel // 2
        shapes = [(outputs, inputs, kernel, kernel)] + [(outputs,)] * bias
        parameters = [f"weight-{shared}", f"bias-{shared}"][: len(shapes)] if shared else ()
        settings = (
            f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {pad} stride: {stride} "
            f"bias_term: {str(bias).lower()} }}"
        )
        self.add("Convolution", name, [source], shapes, parameters, settings)

    def norm(self, name, source, channels, index="", output=None, relu=True, shared=None):
        """Add batch-norm, and in place Scale and ReLU: layers {name}_bn{index}, …_scale…, …_relu…."""
        bn, scale = shared or (
            f"{name.removeprefix('layer_')}_bn{index}",
            f"{name.removeprefix('layer_')}_scale{index}",
        )
        output = output or source
        statistics = [f"para{i}-{bn}" for i in (1, 2, 3)]
        settings = "batch_norm_param { use_global_stats: true }"
        self.add(
            "BatchNorm", f"{name}_bn{index}", [source], [(channels,), (channels,), (1,)], statistics, settings, output
        )
        affine = [f"lamda-{scale}", f"beta-{scale}"]
        self.add(
            "Scale",
            f"{name}_scale{index}",
            [output],
            [(channels,)] * 2,
            affine,
            "scale_param { bias_term: true }",
            output,
        )
        if relu:
            self.add("ReLU", f"{name}_relu{index}", [output], output=output)

    def interp(self, name, source, size, output=None):
        self.add("Interp", name, [source], settings=f"interp_param {{ height: {size} width: {size} }}", output=output)

    def eltwise(self, name, inputs, operation):
        self.add("Eltwise", name, inputs, settings=f"eltwise_param {{ operation: {operation} }}")


def rln_network(sizes=Sizes()):
    network = Network()
    for t, copy in enumerate(COPIES):
        network.copy = copy
        backbone(network, t, sizes)
        head(network, sizes)
    return network


def backbone(network, t, sizes):
    width, image = sizes.width, sizes.image
    network.norm("data", "data", 3, output="data_bn", relu=False, shared=("data", "data"))
    network.conv("conv1", "data_bn", (3, width), 7, stride=2, bias=True, shared="c1")
    network.norm("conv1", "conv1", width, shared=("c1", "c1"))
    below = feedback(network, t, 2, "conv1", "layer_128_1_bn1", (4 * width, width), image // 2)
    settings = "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 0 }"
    network.add("Pooling", "conv1_pool", [below], settings=settings)
    below, inputs = "conv1_pool", width
    for k, (stage, units) in enumerate(UNITS.items(), start=2):
        inside = width * stage // 64
        for u in range(1, units + 1):
            unit = f"layer_{stage}_{u}"
            if u > 1:
                network.norm(unit, f"layer_{stage}_{u - 1}_sum", 4 * inside, "1", output=f"{unit}_bn1")
                below, inputs = f"{unit}_bn1", 4 * inside
            bottleneck(network, unit, below, (inputs, inside), stride=2 if u == 1 and stage > 64 else 1)
        inputs = 4 * inside
        if stage < 512:
            entry = f"layer_{2 * stage}_1"
            network.norm(entry, f"layer_{stage}_{units}_sum", inputs, "1", output=f"{entry}_bn1")
            source = "layer_512_3_sum" if stage == 256 else f"layer_{4 * stage}_1_bn1"
            below = feedback(network, t, k + 1, f"{entry}_bn1", source, (2 * inputs, inputs), image // 2**k)
        else:
            network.norm("last", "layer_512_3_sum", inputs, shared=("last_bn", "last_scale"))


def feedback(network, t, block, below, source, channels, size):
    """Return the input of `block` at time step t; its layers are named after the step that they read."""
    if t == 0:
        return below
    own, network.copy = network.copy, COPIES[t - 1]
    network.conv(f"{source}-c", source, channels, 3, shared=f"{source}-c")
    name = f"{source}-interp" if block == 2 else f"{source}-c-interp"
    network.interp(name, f"{source}-c", size, output=f"{source}-c-interp")
    network.eltwise(f"conv{block}-add", [f"={below}{own}", f"{source}-c-interp"], "SUM")
    added = f"=conv{block}-add{network.copy}"
    network.copy = own
    return added


def bottleneck(network, unit, below, channels, stride):
    inputs, inside = channels
    short = unit.removeprefix("layer_")
    network.conv(f"{unit}_conv1", below, (inputs, inside), 1, shared=f"{short}_conv1")
    network.norm(unit, f"{unit}_conv1", inside, "2")
    network.conv(f"{unit}_conv2", f"{unit}_conv1", (inside, inside), 3, stride, shared=f"{short}_conv2")
    network.norm(unit, f"{unit}_conv2", inside, "3")
    network.conv(f"{unit}_conv3", f"{unit}_conv2", (inside, 4 * inside), 1, shared=f"{short}_conv3")
    stage, u = short.split("_")
    shortcut = f"layer_{stage}_{int(u) - 1}_sum"
    if u == "1":
        shortcut = f"{unit}_conv_expand"
        source, inputs = (f"{unit}_conv1", inside) if stage == "64" else (below, inputs)
        network.conv(shortcut, source, (inputs, 4 * inside), 1, stride, shared=f"{short}_conv_expand")
    network.eltwise(f"{unit}_sum", [f"{unit}_conv3", shortcut], "SUM")


def head(network, sizes):
    levels = (("5", "", "layer_512_3_sum", 32), ("4", "-c4", "layer_512_1_bn1", 16), ("3", "-c3", "layer_256_1_bn1", 8))
    for k, ending, source, stride in levels:
        side_output(network, k, ending, source, sizes.width * stride, sizes.image // stride, sizes)
    size, side = sizes.image // 8, sizes.side
    network.interp("conv6_prod_interp", "conv6_prod", size)
    network.interp("conv6_prod-c4_interp", "conv6_prod-c4", size)
    network.eltwise("conv6_prod-concat", ["conv6_prod-c3", "conv6_prod-c4_interp", "conv6_prod_interp"], "SUM")
    network.conv("conv7", "conv6_prod-concat", (side, side), 1, bias=True)
    network.conv("conv7-2", "conv7", (side, 2), 1, bias=True)
    network.interp("conv7_interp", "conv7-2", sizes.image)
    network.add("Softmax", "prob", ["conv7_interp"], settings="softmax_param { axis: 1 }")


def side_output(network, k, ending, source, channels, size, sizes):
    half, context, side = (size + 1) // 2, sizes.context, sizes.side
    att = "spa.att_"
    network.conv(f"conv6{ending}", source, (channels, side), 3)
    pooled = f"conv{k}_4/bn-pool1{ending}"
    network.interp(pooled, source, half)
    for i, kernel in enumerate((3, 5, 7), start=1):
        network.conv(f"{att}Conv_{i}{ending}", pooled, (channels, context), kernel)
        settings = "norm_param { across_spatial: false channel_shared: false }"
        network.add("Normalize", f"{att}Conv_{i}-norm{ending}", [f"{att}Conv_{i}{ending}"], [(context,)], (), settings)
    norms = [f"{att}Conv_{i}-norm{ending}" for i in (1, 2, 3)]
    network.add("Concat", f"{att}all-norm{ending}", norms, settings="concat_param { axis: 1 }")
    network.conv(f"{att}all-norm_mask{ending}", f"{att}all-norm{ending}", (3 * context, 1), 3)
    chain = f"{att}all-norm_mask{ending}"
    for kind, name, settings in (
        ("Reshape", f"{att}Reshape_4", f"reshape_param {{ shape {{ dim: -1 dim: {half * half} dim: 1 dim: 1 }} }}"),
        ("Softmax", f"{att}softmax_5", "softmax_param { axis: 1 }"),
        ("Reshape", f"{att}Reshape_6", f"reshape_param {{ shape {{ dim: -1 dim: 1 dim: {half} dim: {half} }} }}"),
        ("Power", f"{att}Reshape_6-power", f"power_param {{ power: 1 scale: {half * half} shift: 0 }}"),
        ("Interp", f"{att}Reshape_6-power_interp", f"interp_param {{ height: {size} width: {size} }}"),
        ("Tile", f"{att}Reshape_6-power_tile", f"tile_param {{ tiles: {side} }}"),
    ):
        network.add(kind, name + ending, [chain], settings=settings)
        chain = name + ending
    network.eltwise(f"conv6_prod{ending}", [f"conv6{ending}", chain], "PROD")


def brn_network():
    network = Network()
    network.add("Power", "data_norm", ["data"], settings="power_param { power: 1 scale: 0.00392157 shift: 0 }")
    network.add("Concat", "data_concat", ["data_norm", "data_sal"], settings="concat_param { axis: 1 }")
    below, inputs = "data_concat", 4
    for name, outputs in (("1_1", 64), ("1_2", 64), ("1_3", 64), ("2_1", 128), ("2_2", 128), ("2_3", 128), ("3", 25)):
        network.conv(f"conv{name}", below, (inputs, outputs), 3, bias=True)
        if outputs != 25:
            network.add("ReLU", f"relu{name}", [f"conv{name}"], output=f"conv{name}")
        below, inputs = f"conv{name}", outputs
    network.conv("data_transpose", "data_sal", (1, 25), 5)
    network.add(
        "Power", "data_transpose_back", ["data_transpose"], settings="power_param { power: 1 scale: -1 shift: 1 }"
    )
    network.eltwise("conv3-prod_sal", ["conv3", "data_transpose"], "PROD")
    network.eltwise("conv3-prod_back", ["conv3", "data_transpose_back"], "PROD")
    for kind in ("sal", "back"):
        network.conv(f"conv3-prod_{kind}_sum", f"conv3-prod_{kind}", (25, 1), 1, bias=True)
    sums = ["conv3-prod_back_sum", "conv3-prod_sal_sum"]
    network.add("Concat", "conv3-prod_sum", sums, settings="concat_param { axis: 1 }")
    network.add("Softmax", "prob", ["conv3-prod_sum"], settings="softmax_param { axis: 1 }")
    return network
