"""The delivery protocol as a small model, explored whole: docs/explanation/delivery-model.md."""
