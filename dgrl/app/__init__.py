"""The app: a server on `gradio.Server` for the page (`dgrl/page`), for programs and for tools. `launch` starts it.

| file | what it is |
|---|---|
| `launching`, `server` | which networks are served and how the server starts; the server around its parts |
| `page` | the page with its settings and modules, the page about the API, `/health` |
| `routes`, `jobs`, `photos` | what the page asks for; who waits for what; the photos that it refers to |
| `endpoints`, `offering`, `gradio_api` | what programs ask for; how it is described; how Gradio offers it |
| `requests`, `results`, `refusals`, `failures` | a request, checked; its numbers and pictures; why there are none |
| `passes`, `runs`, `zero_gpu` | recent passes, kept; how one is run; borrowed GPUs |
| `why`, `measure`, `download` | explanations, scores, the report |
| `guard`, `addresses`, `payloads`, `fetching` | which requests come through |
| `files`, `served` | uploads and results, and their deletion |
| `gradio_internals` | what is read and replaced of Gradio's insides |
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from dgrl.app.launching import app_of, checkpoints, launch, load
from dgrl.app.server import AppServer, build, launch_settings

__all__ = ["AppServer", "app_of", "build", "checkpoints", "launch", "launch_settings", "load"]
