"""The LightningModule, its language model, adapters, loss, optimizer and exports."""
