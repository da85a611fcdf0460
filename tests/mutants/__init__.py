"""One patch per mechanism, and the tests that must fail when it is taken out."""
