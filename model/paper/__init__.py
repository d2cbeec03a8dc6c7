"""The paper's experiment: its table of eight methods, run and written beside its own figures."""
