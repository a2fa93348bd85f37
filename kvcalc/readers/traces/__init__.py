"""Request traces: files in, one table trace(t0, t1, tokens) out, on one clock of microseconds."""
