"""The contextual weighting module (CWM), section 3.2 of the paper: an attention map over one level's positions."""

import torch
from torch import Tensor, nn

from dgrl.network.layers import fill_gaussian, resize
from dgrl.taps import Tap

KERNEL_SIZES = (3, 5, 7)


class ChannelNorm(nn.Module):
    """L2 normalisation over channels at each position, with a learned scale per channel (code: Normalize layer)."""

    def __init__(self, channels: int, scale: float = 10.0, eps: float = 1e-10) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), scale))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Scale each position's vector of `features` (B, C, h, w) to length 1, then multiply by the learned scale."""
        # float32 under autocast too, because a sum of squares overflows half precision.
        features = features.float()
        norm = (features.square().sum(1, keepdim=True) + self.eps).sqrt()  # (B, 1, h, w)
        return features / norm * self.scale


class ContextualWeighting(nn.Module):
    """Compute a weight for each position of one level's features from contexts of three sizes.

    Shapes for ResNet-50's conv4 at 384²: features (B, 1024, 24, 24), weight map (B, 1, 12, 12).

    Args:
        channels: channels of the level's features f_k.
        context_channels: channels of each context filter (code: 32).
    """

    def __init__(self, channels: int, context_channels: int = 32) -> None:
        super().__init__()
        self.filters = nn.ModuleList(
            nn.Conv2d(channels, context_channels, size, padding=size // 2, bias=False) for size in KERNEL_SIZES
        )
        self.norms = nn.ModuleList(ChannelNorm(context_channels) for _ in KERNEL_SIZES)
        self.mask = nn.Conv2d(len(KERNEL_SIZES) * context_channels, 1, 3, padding=1, bias=False)
        self.tap = Tap("weight_map")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fill_gaussian(module, std=0.01)  # (code)

    def forward(self, features: Tensor, t: int) -> Tensor:
        """Return the weight map of time step `t`, (B, 1, h/2, w/2): positive, with a mean of 1 over its positions."""
        height, width = features.shape[-2:]
        features = resize(features, ((height + 1) // 2, (width + 1) // 2))  # (B, 1024, 12, 12)
        contexts = [norm(conv(features)) for conv, norm in zip(self.filters, self.norms, strict=True)]
        response = self.mask(torch.cat(contexts, 1)).float()  # (B, 1, 12, 12)
        # Softmax over the N positions, times N: the mean is 1, so an even map leaves the features unchanged.
        weights = response.flatten(2).softmax(-1) * response[0, 0].numel()
        return self.tap(weights.view_as(response), t)
