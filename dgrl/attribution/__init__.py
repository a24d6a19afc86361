"""Why the network says what it says: attribution by Captum."""
