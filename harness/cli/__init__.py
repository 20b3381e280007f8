"""Commands: load, call one function, print."""
