"""This machine: its Python, its packages and its folders."""
