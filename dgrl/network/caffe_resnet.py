"""The authors' own backbone: the pre-activation ResNet-50 of their Caffe network, cut into its five blocks."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

CAFFE_RESNET50 = "caffe_resnet50"
UNITS = (3, 4, 6, 3)


class Unit(nn.Module):
    """One pre-activation bottleneck: normalise and rectify, then 1×1, 3×3 and 1×1 convolutions, added to the input.

    The first unit of a block has no `norm1`: its input is the previous block's output, which is already normalised and
    rectified, plus feedback. Its shortcut is a 1×1 convolution.

    Args:
        inputs: channels of the input.
        width: channels inside; the output has four times as many.
        stride: of the 3×3 convolution and of the shortcut.
        first: whether it is the first unit of its block.
        expand_reduced: whether the shortcut reads the output of the first 1×1 convolution instead of the unit's input.
    """

    def __init__(self, inputs: int, width: int, stride: int, first: bool, expand_reduced: bool = False) -> None:
        super().__init__()
        self.norm1 = None if first else nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.expand = None
        if first:
            self.expand = nn.Conv2d(width if expand_reduced else inputs, 4 * width, 1, stride, bias=False)
        self.expand_reduced = expand_reduced

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 4 · width, h / stride, w / stride), neither normalised nor rectified."""
        entry = features if self.norm1 is None else F.relu(self.norm1(features))
        reduced = F.relu(self.norm2(self.conv1(entry)))
        residual: Tensor = self.conv3(F.relu(self.norm3(self.conv2(reduced))))
        if self.expand is None:
            return residual + features
        shortcut: Tensor = self.expand(reduced if self.expand_reduced else entry)
        return residual + shortcut


def caffe_resnet50(width: int = 64) -> tuple[list[nn.Sequential], list[int]]:
    """Build the five blocks and return them with their output channels, for `dgrl.network.backbone.Backbone`.

    The input is a picture in [0, 255]. In a pre-activation network a block's last sum is neither normalised nor
    rectified. So each block here ends with the batch-norm and ReLU at the start of the next block's first unit (code:
    layer_128_1_bn1, layer_256_1_bn1, layer_512_1_bn1, last_bn). This output is f_k: feedback is computed from it and
    added to it, and the side outputs read it.

    Args:
        width: channels of conv1 and inside conv2's units; tests use fewer than 64.
    """
    conv1 = OrderedDict[str, nn.Module]()
    conv1["data_norm"] = nn.BatchNorm2d(3)
    conv1["conv"] = nn.Conv2d(3, width, 7, 2, padding=3)
    conv1["norm"] = nn.BatchNorm2d(width)
    conv1["relu"] = nn.ReLU()
    blocks, channels = [nn.Sequential(conv1)], [width]
    for k, units in enumerate(UNITS, start=2):
        block = OrderedDict[str, nn.Module]()
        if k == 2:
            # As in Caffe, no padding and sizes rounded up: 192² becomes 96², and the last window extends past the edge.
            block["pool"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        # Departure from pre-activation ResNets: the network's first shortcut reads the reduced features (code:
        # layer_64_1_conv_expand reads layer_64_1_conv1 after its batch-norm and ReLU).
        block["unit1"] = Unit(channels[-1], width, 1 if k == 2 else 2, first=True, expand_reduced=k == 2)
        for u in range(2, units + 1):
            block[f"unit{u}"] = Unit(4 * width, width, 1, first=False)
        block["norm"] = nn.BatchNorm2d(4 * width)
        block["relu"] = nn.ReLU()
        blocks.append(nn.Sequential(block))
        channels.append(4 * width)
        width *= 2
    for sequence in blocks:
        for module in sequence.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)  # Caffe's "msra" (code)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return blocks, channels
