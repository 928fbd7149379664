"""The next edit: where a change that has just been made has to go on, and what it is there."""
