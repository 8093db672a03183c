"""The only code that imports drivers: implementations of the ports."""
