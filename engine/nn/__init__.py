"""Networks: encoders, message passing over sampled neighbours, heads, losses and the training loop."""
