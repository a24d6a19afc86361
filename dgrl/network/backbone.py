"""The five blocks of a backbone, cut from a timm network at its feature boundaries."""

from collections import OrderedDict

from torch import Tensor, nn

from dgrl.network.caffe_resnet import CAFFE_RESNET50, caffe_resnet50
from dgrl.network.pretrained import pretrained_classifier

STRIDES = [2, 4, 8, 16, 32]


class Backbone(nn.Module):
    """Five convolutional blocks: the paper's conv1 and res2 to res5 (section 3.1).

    For `resnet50` and a 384×384 input:

    | block | output | stride |
    |---|---|---|
    | conv1 | 64 × 192² (after batch-norm and ReLU, before the max-pool) | 2 |
    | conv2 | 256 × 96² (the max-pool is its first layer) | 4 |
    | conv3 | 512 × 48² | 8 |
    | conv4 | 1024 × 24² | 16 |
    | conv5 | 2048 × 12² | 32 |

    The blocks are called one at a time, because feedback enters between them. Batch-norm statistics stay those of
    pre-training, during training too, as in the published network (code: global statistics).

    Args:
        name: a timm network, or "caffe_resnet50", the authors' own (`dgrl.network.caffe_resnet`).
        pretrained: load its ImageNet weights (timm downloads them).

    Attributes:
        channels: output channels of the five blocks.

    Raises:
        ValueError: timm has no such network, it does not have feature boundaries at strides 2, 4, 8, 16 and 32, or
            there are no ImageNet weights for it.
    """

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        if name == CAFFE_RESNET50 and pretrained:
            raise ValueError(f"{name!r} has no ImageNet weights; dgrl import-caffe imports the authors' weights")
        blocks, self.channels = caffe_resnet50() if name == CAFFE_RESNET50 else _cut(name, pretrained)
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = blocks
        self.train()  # freezes the statistics also if the caller never calls `train`

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the five blocks' outputs without feedback. `images` is (B, 3, H, W), normalised."""
        features = [self.conv1(images)]
        for block in (self.conv2, self.conv3, self.conv4, self.conv5):
            features.append(block(features[-1]))
        return features

    def train(self, mode: bool = True) -> "Backbone":
        """Set training mode for all layers but batch-norm, which keeps its pre-trained statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def _cut(name: str, pretrained: bool) -> tuple[list[nn.Sequential], list[int]]:
    """Split the network's children, in order, after each of its five feature boundaries."""
    # timm and torchvision take as long to import as PyTorch itself, so they are imported on first use.
    import timm
    from timm.models import FeatureListNet

    try:
        classifier = pretrained_classifier(name) if pretrained else timm.create_model(name)
    except RuntimeError as error:
        raise ValueError(f"backbone {name!r} cannot be made: {error}") from error
    boundaries = list(getattr(classifier, "feature_info", []))
    strides = [boundary["reduction"] for boundary in boundaries]
    if strides != STRIDES:
        raise ValueError(f"backbone {name!r} has feature boundaries at strides {strides}; DGRL needs {STRIDES}")
    # EfficientNet and similar networks put boundaries inside a Sequential ("blocks.2"), which timm can flatten.
    nested = any("." in boundary["module"] for boundary in boundaries)
    try:
        layers = FeatureListNet(classifier, out_indices=(0, 1, 2, 3, 4), flatten_sequential=nested)
    except AssertionError as error:  # HRNet, TResNet: a boundary is not one of the network's children
        raise ValueError(f"backbone {name!r} cannot be cut into five blocks: {error}") from error
    blocks: list[nn.Sequential] = []
    block: OrderedDict[str, nn.Module] = OrderedDict()
    for layer_name, layer in layers.items():
        block[layer_name] = layer
        if layer_name in layers.return_layers:
            blocks.append(nn.Sequential(block))
            block = OrderedDict()
    return blocks, [boundary["num_chs"] for boundary in boundaries]
