"""Pictures with masks: what masks mean, pairs, crops, drawn pages, checking, known sets and their download."""
