"""Pictures with masks: pairs, crops, drawn pages, checking, known sets and their download."""
