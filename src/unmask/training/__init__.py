"""Training networks: configuration, augmentation, the loop, and the way from a run to a model file."""
