"""`dgrl.edits` under the name that it had in version 2."""

from dgrl.edits import read_edit, read_edits, read_mask, write_mask

__all__ = ["read_edit", "read_edits", "read_mask", "write_mask"]
