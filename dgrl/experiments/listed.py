"""The experiments of the tour, for page, notebooks and documentation alike."""

from dgrl.experiments import effects
from dgrl.experiments.effects import FLAT, MEAN_KERNEL, MORE, painted_setting
from dgrl.experiments.experiment import LAST, NUMBER, PERCENT, PIXELS, POINTS, Ellipse, Experiment, Frame, Show
from dgrl.experiments.passes import UNTOUCHED, Setting
from dgrl.prompts import box_prompt

KITTEN = Ellipse(0.21, 0.59, 0.19, 0.27)
CUP = Ellipse(0.74, 0.48, 0.22, 0.42)
OSPREY = Ellipse(0.24, 0.55, 0.09, 0.36)
RACCOON = Ellipse(0.77, 0.42, 0.22, 0.42)
LOOKS = 3

EXPERIMENTS = (
    Experiment(
        key="narrowing",
        title="Attention from look to look",
        photo="tulips",
        question="The network looks three times at the same photo. Where does its attention go?",
        choices=("more of it goes to the object", "it stays where it was", "less of it goes to the object"),
        story="Each look knows what the look before attended to, so it can attend better.",
        outcome="Of the medium attention, {medium_first:.0%} lies on the object at look 1 and {medium_last:.0%} at the "
        "last look.",
        effect="gain of the attention on the object, mean of the levels",
        measure=effects.narrowing_effect,
        unit=POINTS,
        least=0.03,
        show=Show(frames=tuple(Frame("conv4", f"look {step + 1}", step) for step in range(LOOKS))),
    ),
    Experiment(
        key="levels",
        title="Fine, medium and coarse attention",
        photo="osprey",
        question="Attention is computed from fine, medium and coarse features. Do the three look at the same places?",
        choices=("only in part", "yes, they are alike", "no, they are opposites"),
        story="Fine features show edges and texture, coarse ones whole objects.",
        outcome="The correlation of the fine and the coarse map is {correlation:.2f}; 1 would be the same places, 0 "
        "unrelated ones.",
        effect="one minus the correlation of fine and coarse",
        measure=effects.level_difference,
        unit=NUMBER,
        least=0.1,
        show=Show(frames=(Frame("conv3", "fine"), Frame("conv4", "medium"), Frame("conv5", "coarse"))),
    ),
    Experiment(
        key="flat",
        title="Without attention",
        photo="osprey",
        question="Let attention be the same everywhere. What happens to the object?",
        choices=("it fades", "hardly anything", "it stands out more"),
        story="Attention is there to favour the object over its surroundings (section 3.2 of the paper).",
        outcome="On the object the prediction goes from {object_before:.2f} to {object:.2f}; elsewhere it changes by "
        "{outside:+.3f}.",
        effect="prediction on the object, with attention minus without",
        measure=effects.flat_maps_effect,
        unit=POINTS,
        least=0.01,
        second=FLAT,
        variants=(("weight maps flat, all", "without attention"),),
        show=Show(
            frames=(Frame("prediction", "with attention"), Frame("prediction", "without attention", slot=1)),
        ),
    ),
    Experiment(
        key="paint",
        title="Paint another object",
        photo="kitten-and-coffee",
        question="Two photos side by side. We paint all attention over the kitten. What does the network find?",
        choices=("the kitten, and not the cup", "the same as before", "less of the kitten"),
        story="If attention decides, the network finds the object that it attends to.",
        outcome="On the kitten the prediction goes from {painted_before:.2f} to {painted:.2f}, on the cup from "
        "{other_before:.2f} to {other:.2f}.",
        effect="gain of the painted object minus that of the other object",
        measure=effects.painted_object_effect,
        unit=POINTS,
        least=0.1,
        second=painted_setting(KITTEN.places),
        show=Show(
            frames=(Frame("result", "as it is"), Frame("result", "attention painted on the kitten", slot=1)),
            own="brush",
        ),
        painted=KITTEN,
        other=CUP,
    ),
    Experiment(
        key="remember",
        title="Paint the first look only",
        photo="osprey-and-raccoon",
        question="We paint the attention of look 1 only, over the bird. Then we do the same, and cut the memory "
        "between the looks. What changes?",
        choices=(
            "without memory, the raccoon is found again",
            "nothing: both find the bird",
            "without memory, only the bird is found",
        ),
        story="Memory carries the attention of one look to the next. Without memory, each look is like the first.",
        outcome="With memory the last prediction is {painted:.2f} on the bird and {other:.2f} on the raccoon; with "
        "memory cut, {painted_cut:.2f} and {other_cut:.2f}.",
        effect="lead of the bird over the raccoon that is lost without memory",
        measure=effects.memory_effect,
        unit=POINTS,
        least=0.1,
        first=painted_setting(OSPREY.places, 0),
        second=painted_setting(OSPREY.places, 0, cut=True),
        variants=(("feedback cut, all", "memory cut"),),
        show=Show(frames=(Frame("result", "with memory"), Frame("result", "memory cut", slot=1)), own="brush"),
        painted=OSPREY,
        other=RACCOON,
    ),
    Experiment(
        key="more-steps",
        title="More looks than trained",
        photo="kitten-and-coffee",
        question=f"The network was trained with {LOOKS} looks. We give it {MORE} more. Does the prediction change?",
        choices=("yes, by more than 1 %", "hardly: it has settled", "it changes back"),
        story="A recurrent network can take any number of looks, but its prediction need not settle.",
        outcome="The additional looks change {effect:.1%} of the prediction, the last trained look {last:.1%}.",
        effect="mean change of the prediction by the additional looks",
        measure=effects.further_change,
        unit=POINTS,
        least=0.01,
        first=Setting(steps=2 + MORE, name=f"{MORE} looks more"),
        variants=(("T = 0", "1 look"), ("T = 1", "2 looks"), ("T = 3", "4 looks"), ("T = 4", "5 looks")),
        show=Show(frames=tuple(Frame("prediction", f"look {step + 1}", step) for step in range(LOOKS + MORE))),
    ),
    Experiment(
        key="pixel",
        title="One pixel, worked out",
        photo="coffee",
        question="Sharpening (BRN) computes each pixel from its neighbours. By how much does it change the pixel that "
        "it changes most?",
        choices=("from background to object or back", "by less than one half", "not at all"),
        story="BRN receives a map rounded to 0 or 1. The new value is σ(F − B) with F = Σ v · s and B = Σ v · (1 − s); "
        "all numbers of both sums are on the right.",
        outcome="The pixel goes from {prior:.3f} to {refined:.3f}.",
        effect="change of that pixel",
        measure=effects.largest_change,
        unit=POINTS,
        least=0.5,
        show=Show(
            frames=(Frame("photo", "photo"), Frame("prior", "received"), Frame("refined", "sharpened")),
            pixel=True,
            zoom=True,
            kernel=True,
        ),
        refines=True,
    ),
    Experiment(
        key="leaning",
        title="Which side edge pixels copy from",
        photo="otters",
        question="A pixel on an outline has the object on one side only. From which side does its kernel copy?",
        choices=("more from its own side", "from both alike", "more from the other side"),
        story="A pixel should take its value from neighbours on its own side, not across the outline.",
        outcome="Along the outline kernels lean {effect:.2f} pixels towards their own side. An arrow, drawn much "
        "longer than it is, points to the centre of what its kernel copies.",
        effect="lean towards the pixel's own side",
        measure=effects.kernel_lean,
        unit=PIXELS,
        least=0.05,
        show=Show(map="result", zoom=True, arrows=True),
        refines=True,
    ),
    Experiment(
        key="kernels",
        title="What sharpening adds",
        photo="periwinkle",
        question="Does the outline follow the photo's edges better with one kernel per pixel than without sharpening?",
        choices=("it follows edges better", "hardly any difference", "it follows edges less"),
        story="One average kernel smooths the outline; only one kernel per pixel moves it to the photo's edges.",
        outcome="Against no sharpening, the photo's contrast along the outline is {effect:+.0%} with one kernel per "
        "pixel and {mean_kernel:+.0%} with one average kernel.",
        effect="gain of the photo's contrast along the outline",
        measure=effects.outline_contrast,
        unit=PERCENT,
        least=0.05,
        second=MEAN_KERNEL,
        refines=True,
        variants=(("one mean kernel", "one average kernel"), ("no BRN", "no sharpening")),
        show=Show(
            frames=(
                Frame("prior", "no sharpening"),
                Frame("refined", "one average kernel", slot=1),
                Frame("refined", "one kernel per pixel"),
            ),
            zoom=True,
        ),
    ),
    Experiment(
        key="cell",
        title="What caused this attention?",
        photo="otters",
        question="One coarse cell of the last look has the most attention. We blur the object in the photo. What "
        "happens to that attention?",
        choices=("it falls", "hardly anything", "it rises"),
        story="If attention follows the object, its cause should lie in the object's pixels.",
        outcome="With the object blurred, the attention falls by {effect:.0%}; with everything else blurred instead, "
        "by {rest:.0%}. The picture on the right has each part blurred in turn: red parts raise the attention.",
        effect="fall of the attention when the object is blurred",
        measure=effects.blur_effect,
        unit=PERCENT,
        least=0.05,
        show=Show(
            frames=(Frame("conv5", "coarse attention, last look"), Frame("explanation", "what caused it")), own="none"
        ),
        cell=True,
    ),
    Experiment(
        key="point",
        title="Point at an object",
        photo="kitten-and-coffee",
        question="Two objects. We drag a box around the kitten, and look 1 attends to it. What does the network find?",
        choices=("the kitten alone", "both, as before", "the cup alone"),
        story="Attention decides and memory keeps it, so a box is enough to say which object is meant.",
        outcome="On the kitten the prediction is {painted:.2f} (before {painted_before:.2f}), on the cup {other:.2f} "
        "(before {other_before:.2f}).",
        effect="gain of the object in the box minus that of the other object",
        measure=effects.box_effect,
        unit=POINTS,
        least=0.1,
        second=Setting((box_prompt(*KITTEN.box),), name="box around the kitten"),
        show=Show(frames=(Frame("result", "no box"), Frame("result", "box around the kitten", slot=1)), own="box"),
        painted=KITTEN,
        other=CUP,
    ),
)
"""In the order of a lecture."""

BY_KEY = {experiment.key: experiment for experiment in EXPERIMENTS}

__all__ = ["BY_KEY", "EXPERIMENTS", "LAST", "UNTOUCHED"]
