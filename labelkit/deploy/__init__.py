"""Networks at work: what they cost on the machine that will run them."""
