"""The ten experiments, for app, notebooks, documentation and web page alike."""

from dgrl.experiments import effects
from dgrl.experiments.effects import FLAT, MEAN_KERNEL, MORE, painted_at
from dgrl.experiments.experiment import PERCENT, PIXELS, POINTS, Ellipse, Experiment, View
from dgrl.experiments.passes import UNTOUCHED, Setting

KITTEN = Ellipse(0.21, 0.59, 0.19, 0.27)
CUP = Ellipse(0.74, 0.48, 0.22, 0.42)
OSPREY = Ellipse(0.24, 0.55, 0.09, 0.36)
RACCOON = Ellipse(0.77, 0.42, 0.22, 0.42)

EXPERIMENTS = (
    Experiment(
        key="narrowing",
        title="Attention narrows from step to step",
        photo="otters",
        question="The network looks three times at the same photo. Where does its attention go from look to look?",
        choices=(
            "more of it lies on the object at the last look",
            "it stays where it was",
            "less of it lies on the object at the last look",
        ),
        story="Each step is told what the step before saw, so it should know better where to look.",
        told="At t = 0 {first:.0%} of the three weight maps' mass lies on what is found, at the last step {last:.0%}.",
        measure=effects.narrowing,
        unit=POINTS,
        least=0.03,
        view=View("conv4", step=0),
    ),
    Experiment(
        key="levels",
        title="Each level looks with its own eyes",
        photo="raccoon",
        question="Three weight maps, from finer and from coarser features. Do conv3 and conv5 look at the same places?",
        choices=("no, each looks elsewhere", "yes, their maps are alike", "their maps are each other's opposite"),
        story="Fine levels see edges and texture, coarse ones whole things.",
        told="Half of the attention lies on {conv3:.0%} of the cells at conv3, {conv4:.0%} at conv4 and {conv5:.0%} at "
        "conv5; one less the correlation of conv3's and conv5's maps is {effect:.2f}.",
        measure=effects.levels_differ,
        unit=PERCENT,
        least=0.2,
        view=View("conv3"),
    ),
    Experiment(
        key="flat",
        title="Without attention",
        photo="spices",
        question="Let every weight map weigh all places alike. What becomes of the object?",
        choices=("it fades: attention held it", "hardly anything", "it stands out more"),
        story="Attention is there to favour the object over its surroundings (section 3.2).",
        told="On the object the map falls by {effect:.1%}, outside of it the map changes by {outside:+.1%}.",
        measure=effects.flattening,
        unit=POINTS,
        least=0.01,
        second=FLAT,
        variants=("weight maps flat, all",),
        view=View(arrangement="difference"),
    ),
    Experiment(
        key="paint",
        title="Paint another object",
        photo="kitten-and-coffee",
        question="Two photos side by side. Paint all weight maps over the kitten: what does the network find?",
        choices=("what is painted, and less of the other", "the same as before", "less of what is painted"),
        story="If attention decides, the network finds what it is told to look at.",
        told="On what is painted the map goes from {painted_before:.2f} to {painted:.2f}, on the other object from "
        "{other_before:.2f} to {other:.2f}.",
        measure=effects.obeying,
        unit=POINTS,
        least=0.1,
        second=painted_at(KITTEN.places),
        view=View("prediction"),
        painted=KITTEN,
        other=CUP,
    ),
    Experiment(
        key="remember",
        title="Paint the first look only",
        photo="osprey-and-raccoon",
        question="Paint only the first look's maps, over the osprey. Do the later looks go on with it, and do they "
        "still when all feedback is cut?",
        choices=(
            "they go on with it, and forget it when the feedback is cut",
            "feedback makes no difference",
            "cutting the feedback helps them",
        ),
        story="What one step saw is all that the next is told; without feedback each look is the first.",
        told="With feedback the last map is {painted:.2f} on what was painted and {other:.2f} on the other object; "
        "without, {painted_cut:.2f} and {other_cut:.2f}.",
        measure=effects.remembering,
        unit=POINTS,
        least=0.1,
        first=painted_at(OSPREY.places, 0),
        second=painted_at(OSPREY.places, 0, cut=True),
        variants=("feedback cut, all",),
        painted=OSPREY,
        other=RACCOON,
    ),
    Experiment(
        key="more-steps",
        title="More steps than trained",
        photo="wren",
        question=f"The network was trained with three looks. Give it {MORE} more: does its map still change?",
        choices=("yes", "hardly: it has settled", "the map changes back"),
        story="A recurrent network may go on for as long as one likes; whether it settles is another matter.",
        told="In the steps beyond those trained the map changes by {effect:.1%} on average; in the last trained step "
        "it changed by {last:.1%}.",
        measure=effects.going_on,
        unit=POINTS,
        least=0.01,
        second=Setting(steps=2 + MORE, name=f"{MORE} steps more"),
        variants=("T = 0", "T = 1", "T = 3", "T = 4"),
        view=View(arrangement="difference"),
    ),
    Experiment(
        key="pixel",
        title="One pixel, worked out",
        photo="coffee",
        question="BRN recomputes each pixel from its neighbours with a kernel of its own. By how much does it change "
        "the pixel that it changes most?",
        choices=("so much that it changes sides", "less than that", "not at all"),
        story="refined = sigmoid(Σ v·s − Σ v·(1 − s)): all numbers of that sum are on the screen.",
        told="The pixel goes from {prior:.3f} to {refined:.3f}.",
        measure=effects.one_pixel,
        unit=POINTS,
        least=0.5,
        view=View(pixel=True),
        refines=True,
    ),
    Experiment(
        key="leaning",
        title="From where boundary pixels draw",
        photo="kitten",
        question="A pixel on an edge has the object on one side only. From which side does its kernel draw?",
        choices=("more from its own side", "from both alike", "more from the other side"),
        story="A pixel should draw from neighbours of its own side, not across the edge.",
        told="Along edges kernels draw from {effect:+.2f} px deeper in their own side, on average. Their centres of "
        "mass lie {edge:.2f} px from their pixels there, and {elsewhere:.2f} px elsewhere (medians).",
        measure=effects.leaning,
        unit=PIXELS,
        least=0.05,
        view=View(pixel=True),
        refines=True,
    ),
    Experiment(
        key="kernels",
        title="Without BRN, with one mean kernel, with BRN",
        photo="osprey",
        question="Does the outline follow the photo's edges better with BRN, and does one mean kernel do as well?",
        choices=("the outline follows edges better", "hardly any difference", "the outline follows edges less"),
        story="BRN is there for the boundary; did one kernel do as well, seven convolutions were too many.",
        told="Against RLN's map the photo's contrast along the outline is {effect:+.0%} with BRN and "
        "{mean_kernel:+.0%} with the mean of all kernels.",
        measure=effects.refining,
        unit=PERCENT,
        least=0.05,
        first=MEAN_KERNEL,
        second=UNTOUCHED,
        refines=True,
        variants=("one mean kernel", "no BRN"),
        view=View("refined", arrangement="wipe"),
    ),
    Experiment(
        key="cell",
        title="Which pixels made this attention",
        photo="otters",
        question="One cell of conv5's last map has the largest weight. Blur the object away, then all the rest: which "
        "makes the weight fall?",
        choices=("blurring the object", "neither", "blurring the object makes the weight rise"),
        story="If attention sees the object, it must come from the object's pixels.",
        told="With the object blurred away the weight falls by {effect:.0%}; with all the rest blurred away by "
        "{rest:.0%}.",
        measure=effects.hiding,
        unit=PERCENT,
        least=0.1,
        view=View("conv5"),
        cell=True,
    ),
)
"""In the order of a lecture."""

BY_KEY = {experiment.key: experiment for experiment in EXPERIMENTS}
