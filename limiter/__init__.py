"""May one more call go out now, is a message already waiting: answers that all processes share, in Redis."""
