"""The recipe of one training stage, in one frozen dataclass, and the presets."""

import dataclasses
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from dgrl.network.config import BRN_SETTINGS, DGRLConfig
from dgrl.settings import Setting, check, check_names

Stage = Literal["rln", "brn", "joint"]
PRESETS = ("default", "paper", "finetune")
SIZES = ("kernel_size", "brn_size")
NETWORK_SETTINGS: dict[str, dict[str, Any]] = {
    "default": {
        # Departure: later steps continue with the features that attention selected.
        "feedback": "attended",
        # Departure: BRN's initial weights return almost the same map. From the published initial weights, it needs
        # hundreds of updates to learn that, before it learns anything about edges.
        "refinement_std": None,
        "refinement_gain": 8.0,
        # Departure: a thirteenth of the published parameters and operations, so that BRN trains longer in the same
        # time.
        "refinement_channels": (16, 16, 16, 32, 32, 32),
        "refinement_dilations": (1, 1, 2, 2, 2, 1, 1),
        # Departure: with a binary prior the kernels become different. BRN's convolutions read the map instead, which
        # shows where RLN is uncertain.
        "prior": "binary",
        "refinement_sees": "map",
        "refinement_padding": "replicate",
        "brn_mean": (0.5, 0.5, 0.5),
        "brn_std": (0.25, 0.25, 0.25),
    },
    "paper": {"prior": "binary"},
}
NETWORK_SETTINGS["finetune"] = NETWORK_SETTINGS["default"]
"""Settings of `DGRLConfig` that belong to a preset, for networks that training creates."""


FINETUNE: dict[str, Any] = {
    "max_updates": 80,
    "batch_size": 4,
    "size": 320,
    "frozen_blocks": 5,
    "learning_rate": 2e-4,
    "warm_up": 0.25,
    "attention_weight": 0.0,
    "head_rate": 0.01,
    "named_share": 0.45,
    "kept_change": None,
}
"""Changes of the `finetune` preset from `default`. The number of updates does not depend on the number of pictures, and
the network keeps the share of its change that lowers the hold-out error most. Mainly feedback learns: changes of the
heads improve the new kind of pictures at the cost of others (`benchmarks.finetune` measures both). Prompts are as
frequent as in the training of the shipped checkpoint; without them feedback stops following prompts, and the error on
other pictures rises by a tenth."""


def network_settings(name: str) -> dict[str, Any]:
    """Return a preset's settings for networks that training creates; for a new BRN all but its sizes.

    All of it, so that a new BRN does not depend on the one that it replaces.

    Raises:
        ValueError: there is no such preset.
    """
    check_preset(name)
    published = {field.name: field.default for field in dataclasses.fields(DGRLConfig) if field.name in BRN_SETTINGS}
    return {key: value for key, value in published.items() if key not in SIZES} | NETWORK_SETTINGS[name]


def check_preset(name: str) -> None:
    """Raise ValueError if there is no preset of that name."""
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"preset {name!r} is unknown; there is {', '.join(PRESETS)}{hint}")


@dataclass(frozen=True)
class TrainingConfig:
    """One stage of training. The defaults are the `default` preset's; `preset` gives the published ones.

    Each field's annotation gives its meaning and range. The checks and the options of `dgrl train` are made from it.

    Raises:
        ValueError: a setting is outside its range; the message names it.
    """

    stage: Annotated[Stage, Setting("rln at every time step, brn on a fixed RLN's maps, or joint: both, as one")] = (
        "rln"
    )
    epochs: Annotated[int, Setting("passes over the pictures", least=1)] = 6
    max_updates: Annotated[
        int | None, Setting("end after so many updates, even in mid-epoch; the schedule follows", least=1)
    ] = None
    batch_size: Annotated[int, Setting("pictures per update, over all processes together", least=1)] = 16
    accumulate: Annotated[
        int, Setting("in how many pieces, one after the other, an update's pictures are computed", least=1)
    ] = 1
    size: Annotated[
        int, Setting("side in pixels of RLN's training input; BRN trains at the network's own size", 32, multiple_of=32)
    ] = 256
    steps: Annotated[int | None, Setting("T in training; by default the network's", least=0)] = None
    frozen_blocks: Annotated[
        int,
        Setting("how many of the backbone's five blocks, from the picture on, keep their weights (published: 0)", 0, 5),
    ] = 0
    """The first two have the largest maps, and change least."""
    step_growth: Annotated[
        float, Setting("weight of a time step's loss, of that of the step before (published: 1)", above=0)
    ] = 1.0
    augment: Annotated[bool, Setting("random crops, flips, colours and blur (departure; published: none)")] = True
    smallest_crop: Annotated[
        float, Setting("share of a picture's area that those crops keep at least", above=0, most=1)
    ] = 0.9
    paste_share: Annotated[
        float,
        Setting("share of RLN's pictures on which another one's object is pasted (departure; published: 0)", 0, 1),
    ] = 0.0
    named_share: Annotated[
        float,
        Setting("share of RLN's pictures in which given weight maps name a place (departure; published: 0)", 0, 1),
    ] = 0.0
    """Teaches the network to follow attention and to remember it: `dgrl.training.named`."""
    page_share: Annotated[
        float,
        Setting("share of RLN's pictures that are pages of text, without an object (departure; published: 0)", 0, 1),
    ] = 0.0
    teacher: Annotated[
        str | None,
        Setting("checkpoint whose maps of the same augmented pictures are mixed into RLN's masks (published: none)"),
    ] = None
    teacher_steps: Annotated[
        int | None, Setting("T of the teacher; by default the one it was trained with", least=0)
    ] = None
    teacher_weight: Annotated[float, Setting("weight of the teacher's maps; the masks have the rest", 0, 1)] = 0.5
    stored_maps: Annotated[
        bool, Setting("make RLN's maps for BRN's training once, of whole pictures, not again for each crop")
    ] = False
    doubt_share: Annotated[
        float, Setting("share of those maps that are made less sure (departure; published: 0)", 0, 1)
    ] = 0.5
    crop: Annotated[
        int | None, Setting("side in pixels of BRN's training crops (departure; published: whole pictures)", least=16)
    ] = 96
    crops_per_picture: Annotated[int, Setting("BRN's crops of each picture", least=1)] = 4
    boundary_share: Annotated[
        float, Setting("share of the crops that lie on an object's boundary; the others lie anywhere", 0, 1)
    ] = 0.5
    optimiser: Annotated[Literal["adamw", "sgd"], Setting("adamw (departure) or sgd (published)")] = "adamw"
    momentum: Annotated[float, Setting("SGD's", 0, 1)] = 0.9
    learning_rate: Annotated[float, Setting("of new layers, at its peak", above=0)] = 1e-3
    backbone_learning_rate: Annotated[float, Setting("of the pre-trained blocks, at its peak", above=0)] = 3e-4
    head_rate: Annotated[
        float, Setting("what the learning rate of RLN's heads is multiplied by (published: see multipliers)", above=0)
    ] = 1.0
    """Below 1 a new kind of picture is learned by the feedback: later steps correct the first, which stays as is."""
    multipliers: Annotated[
        bool, Setting("for each layer the published multiple of the first rate, instead of one for all new layers")
    ] = False
    schedule: Annotated[
        Literal["cosine", "constant"],
        Setting("cosine warms up and falls to 0 along a cosine; constant (published)"),
    ] = "cosine"
    warm_up: Annotated[float, Setting("share of the updates in which cosine's rate rises", 0, 1)] = 0.05
    weight_decay: Annotated[float, Setting("the optimiser's", least=0)] = 1e-4
    clip: Annotated[float | None, Setting("the gradient's norm at most (published: no limit)", above=0)] = 1.0
    summed: Annotated[
        bool, Setting("whether the loss is summed over pixels and time steps (published) instead of their mean")
    ] = False
    region_weight: Annotated[float, Setting("of the soft-IoU term (departure; published: 0)", least=0)] = 1.0
    entropy_weight: Annotated[float, Setting("of the cross-entropy in BRN's loss (published: 1)", least=0)] = 1.0
    absolute_weight: Annotated[
        float, Setting("of the mean absolute error in BRN's loss (departure; published: 0)", least=0)
    ] = 0.0
    edge_weight: Annotated[
        float, Setting("of that error near the contour alone, in BRN's loss (departure; published: 0)", least=0)
    ] = 3.0
    lean_weight: Annotated[
        float,
        Setting("of the term that asks BRN's kernels to draw from their own side (departure; published: 0)", 0),
    ] = 0.2
    attention_weight: Annotated[
        float, Setting("of the term that asks weight maps to favour the object (departure; published: 0)", least=0)
    ] = 0.1
    attention_spread: Annotated[
        float, Setting("share of a map's mass that this term leaves to the whole picture at t = 0", above=0, most=1)
    ] = 0.1
    attention_narrowing: Annotated[
        float,
        Setting("that share at a step, of that at the step before; below 1 attention narrows", above=0, most=1),
    ] = 1.0
    kept_change: Annotated[
        float | None,
        Setting(
            "share of what training changed that the network keeps (published: 1); finetune chooses it by the hold-out "
            "pictures",
            above=0,
            most=1,
        ),
    ] = 1.0
    """None: chosen at the end (`dgrl.training.keeping`). Below 1 the result is the mean, so weighted, of the network as
    it was and as it became."""
    ema: Annotated[
        float,
        Setting("decay of the moving average of the weights, which is what is kept; 0 for none (published)", 0, 0.9999),
    ] = 0.99
    precision: Annotated[Literal["no", "bf16", "fp16"], Setting("mixed precision: no, bf16 or fp16")] = "no"
    compile: Annotated[bool, Setting("compile the network first: a minute's wait, then faster updates")] = False
    seed: Annotated[int, Setting("of new layers, order, augmentation and crops")] = 0
    workers: Annotated[
        int | None,
        Setting("processes that read pictures, for each that trains; by default as the processors allow", least=0),
    ] = None
    validate_every: Annotated[
        int | None, Setting("updates between validations on the hold-out pictures; by default ten in a run", least=1)
    ] = None
    patience: Annotated[
        int | None, Setting("end after so many validations without a lower hold-out error; by default never", least=1)
    ] = None
    minutes: Annotated[
        float | None, Setting("end after so many minutes of training; the schedule follows", above=0)
    ] = None
    checkpoint_every: Annotated[int, Setting("updates between checkpoints", least=1)] = 100
    keep: Annotated[int, Setting("how many checkpoints stay on disk", least=1)] = 2
    pictures_every: Annotated[int, Setting("updates between looks at a few pictures; 0 for none", least=0)] = 0

    def __new__(cls, *_: Any, **settings: Any) -> "TrainingConfig":
        """Refuse names that are no settings; a dataclass's own message has no suggestion."""
        check_names(cls, settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check(self)
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size, {self.batch_size}, must be a multiple of accumulate, {self.accumulate}")


def preset(name: str, stage: Stage, **changes: Any) -> TrainingConfig:
    """Return the recipe `name`, "default", "paper" or "finetune", for a stage, with changes.

    "paper" is the published training (`solver.prototxt`, and the layers' `lr_mult`): SGD with momentum 0.99, weight
    decay 5e-4 and a fixed rate. The rate is 1e-10 for RLN and 1e-8 for BRN, times each layer's multiplier. Each update
    uses one whole picture without augmentation; the loss is the cross-entropy summed over pixels and time steps. The
    paper has no joint stage, for which the preset uses RLN's rate.

    "finetune" is for a trained network and some twenty to fifty pictures of a new kind: it gains on that kind, and what
    the network could do elsewhere stays (`python -m benchmarks.finetune` measures both).

    Raises:
        ValueError: there is no such preset, or a change is outside its range.
    """
    check_preset(name)
    if name == "default":
        return TrainingConfig(stage=stage, **changes)
    if name == "finetune":
        bounded = {} if "epochs" in changes else {"max_updates": FINETUNE["max_updates"]}
        return TrainingConfig(stage=stage, **(FINETUNE | {"max_updates": None} | bounded | changes))
    check_names(TrainingConfig, changes)
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
        doubt_share=0.0,
        edge_weight=0.0,
        lean_weight=0.0,
        attention_weight=0.0,
        ema=0.0,
    )
    return replace(published, **changes)
