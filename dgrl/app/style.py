"""How the app looks: system fonts, nothing fetched from elsewhere. What the stage looks like is in `app.css`."""

import gradio as gr

THEME = gr.themes.Base(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "Menlo", "monospace"],
)
