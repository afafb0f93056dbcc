"""The speed of steps, compared with the textbook's and with the machine's roofline."""
