"""When: each tick of beat keeps the belt full of what is due."""
