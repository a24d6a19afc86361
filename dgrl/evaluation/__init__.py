"""How good maps are: the field's metrics, over a data set or between two passes."""
