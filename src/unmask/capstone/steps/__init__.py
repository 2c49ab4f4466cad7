"""One file a step: each has ``run``, which takes a Context and gives a Result."""
