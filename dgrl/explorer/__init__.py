"""The live explorer: one pass, or two, under the hand. It draws from a bundle and asks no server for anything.

| file | what it is |
|---|---|
| `bundle` | a trace as one block of bytes: a JSON header, then arrays; `docs/bundle.md` is the format |
| `packing` | how the arrays are made small |
| `script/` | the explorer itself, plain ES modules; `mount` in `explorer.js` is the door |
| `explorer.css` | its style sheet |
| `assets` | both as text, the script as one module |
| `page` | a self-contained page; its templates stand in `dgrl/templates` |
| `report` | such a page with words, and everything else that is known of a pass, in a folder |

The notebook's door is `dgrl.widgets.explore`.
"""

from dgrl.explorer.assets import script, style
from dgrl.explorer.bundle import bundle
from dgrl.explorer.page import page

__all__ = ["bundle", "page", "script", "style"]
