"""The app: a server on `gradio.Server` for the page (`dgrl/page`), for programs and for tools. `launch` starts it.

| file | contents |
|---|---|
| `launching`, `server` | which networks the app offers and how the server starts; the server with all its parts |
| `page` | the page with its settings and modules, the page about the API, `/health` |
| `routes`, `jobs`, `photos` | the page's endpoints; queues of their jobs; the photos that requests name |
| `endpoints`, `offering`, `gradio_api` | the endpoints for programs; their descriptions; how Gradio offers them |
| `requests`, `results`, `refusals`, `failures` | checked requests; their numbers and pictures; errors |
| `passes`, `runs`, `zero_gpu` | the cache of recent passes; how a pass runs; borrowed GPUs |
| `why`, `measure`, `download` | explanations, scores, the report |
| `guard`, `addresses`, `payloads`, `fetching` | which requests are accepted |
| `files`, `served` | uploads and results, and their deletion |
| `gradio_internals` | the internals of Gradio that the app reads and replaces |
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from dgrl.app.launching import app_of, checkpoints, launch, load
from dgrl.app.server import AppServer, build, launch_settings

__all__ = ["AppServer", "app_of", "build", "checkpoints", "launch", "launch_settings", "load"]
