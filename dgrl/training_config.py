"""The recipe of one training stage, in one frozen dataclass."""

from dataclasses import dataclass
from typing import Literal

Stage = Literal["rln", "brn"]


@dataclass(frozen=True)
class TrainingConfig:
    """One stage of training. The defaults are the `default` preset's.

    Attributes:
        stage: "rln" trains RLN at every time step; "brn" trains BRN on the maps of a fixed RLN.
        epochs: passes over the pictures.
        max_updates: end after so many updates, even in mid-epoch; the schedule follows.
        batch_size: pictures per update.
        size: side in pixels of RLN's training input; BRN trains at the network's own size, on crops.
        steps: T in training; by default the network's.
        crop: side in pixels of BRN's training crops.
        crops_per_picture: crops around object boundaries taken of each picture.
        learning_rate: of new layers, at its peak; it warms up for 5 % of the updates and falls to 0 along a cosine.
        backbone_learning_rate: of the pre-trained blocks.
        weight_decay: AdamW's.
        region_weight: of the soft-IoU term (departure; published: 0).
        attention_weight: of the term that asks weight maps to favour the object (departure; published: 0).
        precision: Accelerate's mixed precision: "no", "bf16" or "fp16".
        compile: compile RLN with `torch.compile`: a minute's wait, then faster updates.
        seed: of weights, order, augmentation and crops.
        workers: processes that read pictures.
        checkpoint_every: updates between checkpoints.
        keep: how many checkpoints stay on disk.

    Raises:
        ValueError: a setting is outside its range; the message names it.
    """

    stage: Stage = "rln"
    epochs: int = 6
    max_updates: int | None = None
    batch_size: int = 16
    size: int = 256
    steps: int | None = None
    crop: int = 128
    crops_per_picture: int = 2
    learning_rate: float = 1e-3
    backbone_learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    region_weight: float = 1.0
    attention_weight: float = 0.1
    precision: str = "no"
    compile: bool = False
    seed: int = 0
    workers: int = 2
    checkpoint_every: int = 100
    keep: int = 2

    def __post_init__(self) -> None:
        checks = {
            "stage must be rln or brn": self.stage in ("rln", "brn"),
            "epochs, batch_size, crop, crops_per_picture, checkpoint_every and keep must be 1 or more": min(
                self.epochs, self.batch_size, self.crop, self.crops_per_picture, self.checkpoint_every, self.keep
            )
            >= 1,
            "max_updates must be 1 or more": self.max_updates is None or self.max_updates >= 1,
            "size must be a positive multiple of 32": self.size > 0 and self.size % 32 == 0,
            "steps must be 0 or more": self.steps is None or self.steps >= 0,
            "learning rates must be positive": min(self.learning_rate, self.backbone_learning_rate) > 0,
            "precision must be no, bf16 or fp16": self.precision in ("no", "bf16", "fp16"),
        }
        for message, holds in checks.items():
            if not holds:
                raise ValueError(f"{message} (in {self})")
