"""One call, done right: build, send, classify, retry, decode."""
