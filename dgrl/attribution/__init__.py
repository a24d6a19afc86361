"""Attribution: which parts of the photo caused a value of the network. Captum computes it."""
