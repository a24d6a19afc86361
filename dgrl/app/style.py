"""How the app looks: system fonts, nothing fetched from elsewhere, legible when projected."""

import gradio as gr

from dgrl.templates import style_sheet

THEME = gr.themes.Base(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "Menlo", "monospace"],
    text_size="lg",
    radius_size="md",
).set(checkbox_border_color_dark="*neutral_400")

CSS = """
.gradio-container { max-width: 1280px !important; min-width: 0; margin: 0 auto; }
.gradio-container .main.app { padding: min(3vw, 32px) !important; }

/* A picture's label and buttons stand above it instead of on it. */
.map > label[data-testid="block-label"] { position: static; width: auto; border: 0; box-shadow: none; background: none;
  padding: .5em 5em .3em .7em; }
.map .image-container, .map .grid-wrap, .map .gallery-container { position: static; }
.map .icon-button-wrapper.top-panel { top: .3em; right: .3em; border: 0; box-shadow: none; background: none; }
.map .image-container, .map .image-frame { height: auto; }
.map .image-frame, .map .image-frame img, .map .image-container > button { width: 100%; }
.map .image-frame img { height: auto; max-height: 440px; object-fit: scale-down; display: block; }
.map.fullscreen .image-frame img { height: calc(100vh - 2.5em); max-height: none; }
.map.fullscreen:not(.pick) .image-frame img { object-fit: contain; } /* Gradio misplaces clicks in enlarged pictures */
/* Browsers load pictures below the fold late: most keep their place until then. */
.map .image-frame { min-height: 9em; }
.pick img { cursor: crosshair; }
#cutout img { background: repeating-conic-gradient(#bbb 0% 25%, #eee 0% 50%) 50% / 24px 24px; }

/* The grid of maps: whole, in the photo's proportions; on a phone it is swept sideways. */
.map.grid { overflow: hidden; }
.grid .grid-wrap { width: 0; min-width: 100%; height: auto; max-height: none; overflow: auto hidden; padding: .4em; }
.grid .grid-container { min-width: 640px; padding-top: 0 !important; gap: .5em; }
.grid .thumbnail-item { aspect-ratio: auto; height: auto; width: 100%; display: flex; flex-direction: column;
  align-items: stretch; }
.grid .thumbnail-item img { height: auto; }
.grid .caption-label { position: static; border: 0; max-width: none; text-align: center; }

/* Back from display: none, Gradio's editor draws its canvas anew: three seconds without a GPU. */
#what-if[style*="none"] { display: flex !important; visibility: hidden; height: 0; overflow: hidden; padding-block: 0; }
footer .divider { display: none; } /* Gradio puts one after the last link too */
""" + style_sheet()

# Gradio gives some pictures no text of their own: in a slider they get its label, among the examples the file's name.
NAME_PICTURES = """() => {
  const name = () => document.querySelectorAll('img[alt=""]').forEach(image => {
    const label = image.closest('.block')?.querySelector('[data-testid=block-label]')?.textContent.trim();
    image.alt = label || decodeURIComponent(image.src).split('/').pop().split('.')[0];
  });
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
}"""
