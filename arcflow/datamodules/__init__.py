"""LightningDataModules: the tasks to train on and to evaluate, as samples and batches."""
