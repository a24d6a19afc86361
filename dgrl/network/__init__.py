"""The paper: RLN with its context module, BRN, and the backbone that both build on."""
