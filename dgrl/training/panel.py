"""The training panel of a notebook: choose, start, watch, stop, resume, evaluate; the run is a process of its own.

    from dgrl.training.panel import TrainingPanel
    TrainingPanel("runs/first")

The panel is a view of the run's folder. It holds nothing that the folder does not: after a restart of the kernel the
same line finds the same run.
"""

import base64
import html
import json
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from dgrl import figures
from dgrl.data.checking import Folders, check, check_pairs
from dgrl.data.drawn import drawn_discs
from dgrl.data.pairs import DataError, SaliencyData, augmentation, find_pairs
from dgrl.figures.notebook import hidden_picture, show_with_picture
from dgrl.figures.training import rows_of_pictures, run_curves
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import PRESETS, TrainingConfig, preset
from dgrl.training.evaluating import evaluation_arguments, kept_weights, run_evaluation, scores_table
from dgrl.training.form import Form
from dgrl.training.in_python import python_of
from dgrl.training.keeping import KEPT
from dgrl.training.runs import PLAN_FILE, State, options_of, read_state, shown_command, start_run, stop_run
from dgrl.words import counted, speed

INTERVAL = 1.5
"""Seconds between looks at the run's folder."""
SHOWN_FIRST = ("max_updates", "epochs", "batch_size", "size", "learning_rate", "minutes", "patience", "precision")
NETWORKS: dict[str, dict[str, Any]] = {
    "The network that ships (dgrl-lite)": {"init": "dgrl-lite"},
    "New: EfficientNet-Lite0, ImageNet weights": {"backbone": "tf_efficientnet_lite0"},
    "New: ResNet-50, ImageNet weights (published)": {"backbone": "resnet50"},
    "New: MobileNetV3, untrained": {"backbone": "mobilenetv3_small_100", "pretrained": False},
}
PREVIEWED = 4
STANDS_FOR = "Training panel of"
"""The alternative text of the panel's picture begins so."""


class TrainingPanel(widgets.VBox):  # type: ignore[misc]
    """Controls and pictures of one run.

    Args:
        out: the run's folder; name one that outlives the notebook.
        images, masks: folders of pictures and masks; by default the panel offers drawn ones.
        preset_name: the recipe to begin with: default, paper or finetune.
        stage: rln, brn or joint.
        processes: how many GPUs train; 1 also stands for a CPU.
        network: options of `dgrl train` that say where the network comes from; by default they can be chosen.
        settings: other settings of `TrainingConfig`.
    """

    def __init__(
        self,
        out: str | Path,
        images: str | Path | None = None,
        masks: str | Path | None = None,
        preset_name: str = "finetune",
        stage: Any = "rln",
        processes: int = 1,
        network: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self._closed = threading.Event()  # first: a widget that could not be made is closed too
        self.out = Path(out).resolve()
        self.network = network
        self.state = read_state(self.out)
        self._shown: tuple[int, int, int] = (-1, -1, -1)
        self._evaluating: threading.Thread | None = None
        plan = self._plan()
        recipe = TrainingConfig(**plan["recipe"]) if plan else preset(preset_name, stage, **settings)
        self._make_controls(recipe, plan, images, masks, preset_name, processes)
        self._make_views()
        super().__init__([self._controls, self._buttons, self._status, self._views])
        self.add_class("dgrl-training-panel")
        self.refresh()
        threading.Thread(target=self._watch, daemon=True).start()

    # Choosing the settings

    def _make_controls(
        self, recipe: TrainingConfig, plan: dict[str, Any], images: Any, masks: Any, preset_name: str, processes: int
    ) -> None:
        wide = {"layout": widgets.Layout(width="40em"), "style": {"description_width": "8em"}}
        data = plan.get("data", {})
        self.images = widgets.Text(
            value=str(data.get("images", images or "")), description="Pictures", placeholder="folder of photos", **wide
        )
        self.masks = widgets.Text(
            value=str(data.get("masks", masks or "")), description="Masks", placeholder="folder of masks", **wide
        )
        self.preset = widgets.Dropdown(
            options=PRESETS, value=plan.get("preset", preset_name), description="Preset", **wide
        )
        chosen = plan.get("network_name", next(iter(NETWORKS)))
        self.networks = widgets.Dropdown(options=list(NETWORKS), value=chosen, description="Network", **wide)
        self.processes = widgets.BoundedIntText(
            value=plan.get("processes", processes), min=1, max=64, description="GPUs", **wide
        )
        self.form = Form(recipe)
        self.findings = widgets.HTML()
        self.preview = widgets.VBox()
        draw = self._button("Draw pictures to try it", self.draw, "pencil")
        look = self._button("Check the data", self.check_data, "search")
        first = [self.form.controls[name] for name in SHOWN_FIRST]
        rest = [one for name, one in self.form.controls.items() if name not in SHOWN_FIRST]
        more = widgets.Accordion([widgets.VBox(rest)], titles=("All settings",), selected_index=None)
        source = [] if self.network is not None else [self.networks]
        self._controls = widgets.VBox(
            [
                widgets.HTML(
                    f"<b>Training in {html.escape(str(self.out))}</b>"
                    f"<style>{hidden_picture('.dgrl-training-panel')}</style>"
                ),
                self.images,
                self.masks,
                widgets.HBox([look, draw]),
                self.findings,
                self.preview,
                *source,
                self.preset,
                self.processes,
                *first,
                more,
            ]
        )
        self.preset.observe(self._take_preset, "value")
        self.networks.observe(self._take_network, "value")

    def _take_preset(self, change: Any) -> None:
        self.form.show(preset(change["new"], self.form.controls["stage"].value))

    def _take_network(self, change: Any) -> None:
        """Choose the recipe as `dgrl train` does: fine-tuning for a trained network, the default for a new one."""
        trained = "init" in NETWORKS[change["new"]]
        if trained != ("init" in NETWORKS[change["old"]]) and self.preset.value != "paper":
            self.preset.value = "finetune" if trained else "default"

    def _button(self, text: str, act: Callable[[], None], icon: str = "", style: str = "") -> widgets.Button:
        button = widgets.Button(
            description=text, icon=icon, button_style=style, tooltip=text, layout=widgets.Layout(width="auto")
        )

        def clicked(_: Any) -> None:
            try:
                act()
            except (DataError, TrainingError, ValueError, TypeError, OSError) as error:
                self.say(str(error), fault=True)

        button.on_click(clicked)
        return button

    def _make_views(self) -> None:
        self.start_button = self._button("Start", self.start, "play", "primary")
        self.stop_button = self._button("Stop", self.stop, "stop")
        self.resume_button = self._button("Resume", self.resume, "forward")
        self.evaluate_button = self._button("Evaluate", self.evaluate, "bar-chart")
        self._buttons = widgets.HBox([self.start_button, self.stop_button, self.resume_button, self.evaluate_button])
        self.progress = widgets.IntProgress(value=0, min=0, max=1, layout=widgets.Layout(width="30em"))
        self.label = widgets.HTML()
        self.message = widgets.HTML()
        self.kept = widgets.HTML()
        self._status = widgets.VBox([widgets.HBox([self.progress, self.label]), self.message, self.kept])
        self.curves = widgets.HTML()
        self.film = widgets.SelectionSlider(
            options=[("none yet", 0)], description="Update", continuous_update=True, disabled=True,
            layout=widgets.Layout(width="40em"),
        )  # fmt: skip
        self.pictures = widgets.HTML()
        self.commands = widgets.HTML()
        self.scores = widgets.HTML()
        self.film.observe(lambda _: self._show_snapshot(), "value")
        place = {"layout": widgets.Layout(width="40em"), "style": {"description_width": "8em"}}
        held = "hold-out pictures of the run, or a folder of photos"
        self.other_images = widgets.Text(description="Evaluate on", placeholder=held, **place)
        self.other_masks = widgets.Text(description="Its masks", placeholder="folder of masks", **place)
        self._views = widgets.VBox(
            [self.curves, self.film, self.pictures, self.other_images, self.other_masks, self.scores, self.commands]
        )

    # Actions of the buttons

    def draw(self) -> None:
        """Draw pictures of discs and squares beside the run, and choose them."""
        pairs = drawn_discs(self.out.parent / "drawn", 40)
        self.images.value, self.masks.value = str(pairs[0].image.parent), str(pairs[0].mask.parent)
        self.check_data()

    def check_data(self) -> None:
        """Show what the data check finds, and a few pictures as training reads them."""
        checked = check([Folders(*self._folders())])
        lines = [f"{counted(len(checked.pairs), 'picture')} with masks", *checked.notes, *checked.remarks]
        lines += checked.report().splitlines() if checked.problems else []
        self.findings.value = "<br>".join(html.escape(line) for line in lines)
        if checked.pairs:
            self.preview.children = [self._preview(checked.pairs)]

    def _preview(self, pairs: list[Any]) -> widgets.HTML:
        config = self.config()
        data = SaliencyData(pairs, augmentation(min(config.size, 256), config.smallest_crop), config.seed)
        row = {}
        for number in range(min(PREVIEWED, len(pairs))):
            item = data[number]
            row[f"picture {number + 1}"] = (item.images.permute(1, 2, 0) * 255).byte().numpy()
            row[f"mask {number + 1}"] = (item.masks.expand(3, -1, -1).permute(1, 2, 0) * 255).byte().numpy()
        return widgets.HTML(
            _picture(figures.png(rows_of_pictures([row]), dpi=80), "Augmented pictures and their masks")
        )

    def _folders(self) -> tuple[Path, Path]:
        if not self.images.value or not self.masks.value:
            raise DataError("name a folder of pictures and one of masks, or draw some")
        return Path(self.images.value).expanduser().resolve(), Path(self.masks.value).expanduser().resolve()

    def config(self) -> TrainingConfig:
        """Return the recipe that the controls describe."""
        return TrainingConfig(**self.form.values())

    def arguments(self) -> list[str]:
        """Return the arguments for `dgrl train`."""
        images, masks = self._folders()
        self.config()  # a setting outside its range is said here, not by the process
        stage = self.form.controls["stage"].value
        network = NETWORKS[self.networks.value] if self.network is None else self.network
        changes = self.form.changes(preset(self.preset.value, stage))
        described = {"images": images, "masks": masks, **network, "preset": self.preset.value, "stage": stage}
        return options_of({**described, **changes, "out": self.out})

    def start(self) -> None:
        """Start the run as a process of its own."""
        arguments = self.arguments()
        check_pairs(find_pairs(*self._folders()))
        plan = {
            "recipe": self.form.values(),
            "preset": self.preset.value,
            "network_name": self.networks.value,
            "processes": self.processes.value,
            "data": {"images": self.images.value, "masks": self.masks.value},
            "command": shown_command(arguments, self.processes.value),
        }
        self.say("Starting; the first update takes a while")
        start_run(self.out, arguments, self.processes.value)
        (self.out / PLAN_FILE).write_text(json.dumps(plan, indent=2), encoding="utf-8")
        self.refresh()

    def stop(self) -> None:
        """Ask the run to end after the update in hand."""
        stop_run(self.out)
        self.say("Asked to stop: the update in hand is finished and saved")

    def resume(self) -> None:
        """Go on where the run stopped."""
        self.say("Resuming")
        start_run(self.out, ["--resume", str(self.out)], self.processes.value)
        self.refresh()

    def evaluate(self) -> None:
        """Measure the run's best network on its hold-out pictures or the folders named, in a process of its own."""
        named = (self.other_images.value, self.other_masks.value)
        images, masks = (Path(name).expanduser().resolve() if name else None for name in named)
        arguments = evaluation_arguments(self.out, images, masks)
        self._evaluating = threading.Thread(target=self._evaluate, args=(arguments,), daemon=True)
        self.evaluate_button.disabled = True
        self.say(f"Evaluating: dgrl evaluate {shlex.join(arguments)}")
        self._evaluating.start()

    def _evaluate(self, arguments: list[str]) -> None:
        try:
            found = run_evaluation(arguments)
        except (TrainingError, OSError, ValueError) as error:
            self.say(str(error), fault=True)
        else:
            name = kept_weights(self.out).relative_to(self.out.parent)
            self.scores.value = scores_table(found, f"{name} on {found['protocol']}")
            self.say(f"Evaluated on {counted(found['pictures'], 'picture')}")
        self._evaluating = None
        self.refresh()

    def say(self, text: str, fault: bool = False) -> None:
        """Show a sentence."""
        role = "alert" if fault else "status"
        colour = "color: #b00020" if fault else ""
        self.message.value = f'<span role="{role}" style="{colour}">{html.escape(text)}</span>'

    # Showing the run

    def _plan(self) -> dict[str, Any]:
        try:
            plan: dict[str, Any] = json.loads((self.out / PLAN_FILE).read_text(encoding="utf-8"))
            TrainingConfig(**plan["recipe"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return plan

    def _watch(self) -> None:
        while not self._closed.wait(INTERVAL):
            try:
                self.refresh()
            except (OSError, ValueError):  # a file that is being written; the next look finds it whole
                continue

    def close(self) -> None:
        """Stop watching; the run goes on."""
        self._closed.set()
        super().close()

    def refresh(self) -> None:
        """Show what the run's folder says now."""
        state = self.state = read_state(self.out)
        self.progress.max = max(1, state.total)
        self.progress.value = state.update
        self.label.value = _words(state)
        self.kept.value = html.escape(next((line for line in reversed(state.said) if line.startswith(KEPT)), ""))
        self.start_button.disabled = state.running or state.resumable or state.finished
        self.stop_button.disabled = not state.running
        self.resume_button.disabled = state.running or not state.resumable
        self.evaluate_button.disabled = self._evaluating is not None or not (state.finished or state.best)
        if not state.running and state.words == "ended with an error":
            self.say(state.said[-1], fault=True)
        seen = (len(state.losses), len(state.validations), len(state.snapshots))
        if seen != self._shown:
            self._shown = seen
            self._draw(state)
        self.commands.value = self._in_words()

    def _draw(self, state: State) -> None:
        if state.losses:
            picture = figures.png(run_curves(state.losses, state.validations), dpi=80)
            self.curves.value = _picture(picture, "Loss by update, and hold-out error of each look")
        if (state.snapshots and len(self.film.options) != len(state.snapshots)) or self.film.disabled:
            followed = self.film.disabled or self.film.index == len(self.film.options) - 1
            kept = self.film.value
            updates = list(state.snapshots)
            if updates:
                self.film.options = [(str(update), update) for update in updates]
                self.film.value = updates[-1] if followed or kept not in updates else kept
                self.film.disabled = False
                self._show_snapshot()

    def _show_snapshot(self) -> None:
        path = self.state.snapshots.get(self.film.value)
        if path is not None:
            words = f"Hold-out pictures after {self.film.value} updates: photo, mask, each look, all attention maps"
            self.pictures.value = _picture(path.read_bytes(), words)

    def _in_words(self) -> str:
        """Return the equivalent command and lines of Python."""
        try:
            arguments = self.arguments()
        except (DataError, ValueError, TypeError):
            return ""
        command = shown_command(arguments, self.processes.value)
        changes = self.form.changes(preset(self.preset.value, self.form.controls["stage"].value))
        network = NETWORKS[self.networks.value] if self.network is None else self.network
        chosen = self.preset.value, self.form.controls["stage"].value, changes
        python = python_of(network, *chosen, self.images.value, self.masks.value, str(self.out))
        return (
            "<details><summary>The same as a command, and in Python</summary>"
            f"<pre>{html.escape(command)}</pre><pre>{html.escape(python)}</pre></details>"
        )

    def _ipython_display_(self) -> None:
        """Show the live panel, and a picture for viewers without a kernel."""
        still = figures.png(run_curves(self.state.losses, self.state.validations), dpi=80)
        snapshots = list(self.state.snapshots.values())
        picture = snapshots[-1].read_bytes() if snapshots else still
        words = f"{STANDS_FOR} {self.out.name}: {_words(self.state)}; run this notebook to use it"
        show_with_picture(self._repr_mimebundle_(), "image/png", picture, words)


def _words(state: State) -> str:
    """Describe the run's state and its remaining time."""
    parts = [state.words]
    if state.total:
        parts.append(f"update {state.update} of {state.total}")
    if state.running and state.seconds_left is not None:
        minutes, seconds = divmod(round(state.seconds_left), 60)
        parts.append(f"{minutes} min {seconds:02d} s left, {speed(state.pictures_per_second)}")
    return ", ".join(parts)


def _picture(data: bytes, words: str) -> str:
    """Return a PNG in HTML, with its text."""
    shown = base64.b64encode(data).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/png;base64,{shown}" style="max-width: 100%">'
