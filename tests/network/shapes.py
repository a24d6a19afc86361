"""Shapes of tensors, written as the code's comments write them and checked at run time."""

from torch import Tensor


class Shapes:
    """Checks shapes such as "B 2 H W": a letter is bound by its first use and must be the same everywhere after it."""

    def __init__(self, **sizes: int) -> None:
        self.sizes = sizes

    def check(self, tensor: Tensor, shape: str) -> None:
        words = shape.split()
        assert tensor.dim() == len(words), f"{tuple(tensor.shape)} is not ({shape})"
        expected = [
            int(word) if word.isdigit() else self.sizes.setdefault(word, size)
            for word, size in zip(words, tensor.shape, strict=True)
        ]
        assert list(tensor.shape) == expected, f"{tuple(tensor.shape)} is not ({shape}) with {self.sizes}"
