"""The recipe of one training stage, in one frozen dataclass, and the two presets."""

from dataclasses import dataclass, replace
from typing import Any, Literal

Stage = Literal["rln", "brn", "joint"]
PRESETS = ("default", "paper")
NETWORK_SETTINGS: dict[str, dict[str, Any]] = {
    # BRN starts confident (departure): from the published start, hundreds of updates go into learning that a clear map
    # may stay as it is, before anything is learned about edges.
    "default": {
        "refinement_std": None,
        "refinement_gain": 8.0,
        "brn_mean": (0.5, 0.5, 0.5),
        "brn_std": (0.25, 0.25, 0.25),
    },
    "paper": {"prior": "binary"},
}
"""Settings of `DGRLConfig` that belong to a preset, for networks that training makes anew."""


@dataclass(frozen=True)
class TrainingConfig:
    """One stage of training. The defaults are the `default` preset's; `preset` gives the published ones.

    Attributes:
        stage: "rln" trains RLN at every time step; "brn" trains BRN on the maps of a fixed RLN; "joint" trains both,
            BRN's error reaching RLN through its map.
        epochs: passes over the pictures.
        max_updates: end after so many updates, even in mid-epoch; the schedule follows.
        batch_size: pictures per update, over all processes together.
        accumulate: in how many pieces, one after the other, an update's pictures are computed.
        size: side in pixels of RLN's training input; BRN trains at the network's own size.
        steps: T in training; by default the network's.
        frozen_blocks: how many of the backbone's five blocks, from the picture on, keep their weights (published: 0).
            The first two have the largest maps, and change least.
        step_growth: how much the loss of a time step weighs, of that of the step before (published: 1).
        augment: random crops, flips, colours and blur (departure; published: none).
        smallest_crop: share of a picture's area that those crops keep at least.
        paste_share: on which share of RLN's pictures another one's object is pasted (departure; published: 0).
        named_share: which share of RLN's pictures is made of two, one of whose objects alone is asked for: CWM's maps
            are given, and look at it (departure; published: 0; `dgrl.named`). So attention is obeyed, and remembered.
        page_share: on which share of RLN's pictures a drawn page of text stands instead, without an object (departure;
            published: 0).
        stored_maps: whether the "brn" stage makes RLN's maps once, of whole pictures, instead of anew for each crop.
        crop: side in pixels of BRN's training crops (departure; published: whole pictures, None).
        crops_per_picture: crops taken of each picture.
        boundary_share: share of the crops that lie on an object's boundary; the others lie anywhere.
        optimiser: "adamw" (departure) or "sgd" (published).
        momentum: SGD's.
        learning_rate: of new layers, at its peak.
        backbone_learning_rate: of the pre-trained blocks.
        multipliers: for each layer the published multiple of the first rate (`dgrl.stages`) instead of one rate for all
            new layers.
        schedule: "cosine" warms up for 5 % of the updates and falls to 0 along a cosine; "constant" (published).
        weight_decay: the optimiser's.
        clip: the gradient's norm at most; None for no limit (published).
        summed: whether the loss is summed over pixels and time steps (published) instead of their mean.
        region_weight: of the soft-IoU term (departure; published: 0).
        lean_weight: of the term that asks BRN's kernels to draw from their pixel's own side (departure; published: 0).
        attention_weight: of the term that asks weight maps to favour the object (departure; published: 0).
        attention_spread: share of a map's mass that this term leaves to the whole picture, at time step 0.
        attention_narrowing: that share at a time step, of that at the step before; below 1 attention narrows.
        precision: Accelerate's mixed precision: "no", "bf16" or "fp16".
        compile: compile the network that is trained with `torch.compile`: a minute's wait, then faster updates.
        seed: of weights, order, augmentation and crops.
        workers: processes that read pictures, for each process that trains.
        checkpoint_every: updates between checkpoints.
        keep: how many checkpoints stay on disk.
        pictures_every: updates between looks at a few fixed pictures; 0 for none.

    Raises:
        ValueError: a setting is outside its range; the message names it.
    """

    stage: Stage = "rln"
    epochs: int = 6
    max_updates: int | None = None
    batch_size: int = 16
    accumulate: int = 1
    size: int = 256
    steps: int | None = None
    frozen_blocks: int = 0
    step_growth: float = 1.0
    augment: bool = True
    smallest_crop: float = 0.9
    paste_share: float = 0.0
    named_share: float = 0.0
    page_share: float = 0.0
    stored_maps: bool = False
    crop: int | None = 96
    crops_per_picture: int = 4
    boundary_share: float = 0.5
    optimiser: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    learning_rate: float = 1e-3
    backbone_learning_rate: float = 3e-4
    multipliers: bool = False
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 1e-4
    clip: float | None = 1.0
    summed: bool = False
    region_weight: float = 1.0
    lean_weight: float = 0.0
    attention_weight: float = 0.1
    attention_spread: float = 0.1
    attention_narrowing: float = 1.0
    precision: str = "no"
    compile: bool = False
    seed: int = 0
    workers: int = 2
    checkpoint_every: int = 100
    keep: int = 2
    pictures_every: int = 0

    def __post_init__(self) -> None:
        counts = (
            self.epochs,
            self.batch_size,
            self.accumulate,
            self.crops_per_picture,
            self.checkpoint_every,
            self.keep,
        )
        checks = {
            "stage must be rln, brn or joint": self.stage in ("rln", "brn", "joint"),
            "epochs, batch_size, accumulate, crops_per_picture, checkpoint_every and keep must be 1 or more": min(
                counts
            )
            >= 1,
            "batch_size must be a multiple of accumulate": self.batch_size % self.accumulate == 0,
            "max_updates must be 1 or more": self.max_updates is None or self.max_updates >= 1,
            "size must be a positive multiple of 32": self.size > 0 and self.size % 32 == 0,
            "steps must be 0 or more": self.steps is None or self.steps >= 0,
            "frozen_blocks must be from 0 to 5": 0 <= self.frozen_blocks <= 5,
            "crop must be 16 or more": self.crop is None or self.crop >= 16,
            "step_growth must be positive": self.step_growth > 0,
            "boundary_share must be from 0 to 1": 0 <= self.boundary_share <= 1,
            "smallest_crop must be above 0 and at most 1": 0 < self.smallest_crop <= 1,
            "paste_share must be from 0 to 1": 0 <= self.paste_share <= 1,
            "named_share must be from 0 to 1": 0 <= self.named_share <= 1,
            "attention_spread must be above 0 and at most 1": 0 < self.attention_spread <= 1,
            "attention_narrowing must be above 0 and at most 1": 0 < self.attention_narrowing <= 1,
            "page_share must be from 0 to 1": 0 <= self.page_share <= 1,
            "optimiser must be adamw or sgd": self.optimiser in ("adamw", "sgd"),
            "schedule must be cosine or constant": self.schedule in ("cosine", "constant"),
            "learning rates must be positive": min(self.learning_rate, self.backbone_learning_rate) > 0,
            "momentum must be from 0 to 1": 0 <= self.momentum <= 1,
            "weights of losses and of decay must not be negative": min(
                self.region_weight, self.lean_weight, self.attention_weight, self.weight_decay
            )
            >= 0,
            "clip must be positive": self.clip is None or self.clip > 0,
            "precision must be no, bf16 or fp16": self.precision in ("no", "bf16", "fp16"),
            "workers and pictures_every must be 0 or more": min(self.workers, self.pictures_every) >= 0,
        }
        for message, holds in checks.items():
            if not holds:
                raise ValueError(f"{message} (in {self})")


def preset(name: str, stage: Stage, **changes: Any) -> TrainingConfig:
    """The recipe called `name`, "default" or "paper", for a stage, with changes.

    "paper" is the published training (`solver.prototxt`, and the layers' `lr_mult`): SGD with momentum 0.99 at a fixed
    rate, 1e-10 for RLN and 1e-8 for BRN, times each layer's multiplier, weight decay 5e-4, one whole picture per
    update, as it is, and the plain cross-entropy summed over pixels and time steps. The paper has no joint stage: there
    the preset takes RLN's rate.

    Raises:
        ValueError: there is no such preset, or a change is outside its range.
    """
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is unknown; there is {', '.join(PRESETS)}")
    if name == "default":
        return TrainingConfig(stage=stage, **changes)
    published = TrainingConfig(
        stage=stage,
        batch_size=1,
        size=384,
        augment=False,
        crop=None,
        crops_per_picture=1,
        optimiser="sgd",
        momentum=0.99,
        learning_rate=1e-8 if stage == "brn" else 1e-10,
        backbone_learning_rate=1e-10,
        multipliers=True,
        schedule="constant",
        weight_decay=5e-4,
        clip=None,
        summed=True,
        region_weight=0.0,
        attention_weight=0.0,
    )
    return replace(published, **changes)
