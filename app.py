"""The app as Hugging Face Spaces starts it: `python app.py`. On a computer of your own, `dgrl app` does the same."""

from dgrl.app import app_of, checkpoints

# At module level: ZeroGPU moves networks that exist before the first call.
app = app_of(checkpoints())

if __name__ == "__main__":
    app.launch(mcp_server=True)  # for which the Space is given its badge
