"""How fast steps are: beside the textbook's and beside the machine's roofline."""
