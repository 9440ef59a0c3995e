"""Rankings: train, weigh, judge and answer them."""
