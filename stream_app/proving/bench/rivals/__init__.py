"""What one would write without this project. Each is a program: ``python -m <module> BOOTSTRAP FEED RESULTS``."""
