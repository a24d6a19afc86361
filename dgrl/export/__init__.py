"""The network as an ONNX file that runs anywhere: every tap an output, every edit an input.

| file | what it does |
|---|---|
| `inputs` | which inputs stand for edits, and edits as values of these inputs |
| `graph` | modules to ONNX |
| `write` | the whole pass as one file, checked by onnxruntime after writing |

ONNX is not needed for anything else: `pip install 'dgrl[export]'`.
"""

from dgrl.export.inputs import as_inputs, defaults
from dgrl.export.write import Exported, ExportError, export

__all__ = ["ExportError", "Exported", "as_inputs", "defaults", "export"]
