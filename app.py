"""The app as Hugging Face Spaces starts it: `python app.py`. On a computer of your own, `dgrl app` does the same."""

from dgrl.app import build, checkpoints, launch_settings, load
from dgrl.experiments import sizes_of
from dgrl.experiments.links import offered

names = checkpoints()
# At module level: ZeroGPU moves networks that exist before the first call.
app = build(load(names), experiments=offered(sizes_of(names[0])))

if __name__ == "__main__":
    app.launch(mcp_server=True, **launch_settings())  # for which the Space is given its badge
