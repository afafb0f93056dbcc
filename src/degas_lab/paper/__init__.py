"""The paper's tables, each from data to finished table by one command."""
