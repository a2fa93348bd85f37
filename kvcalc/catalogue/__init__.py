"""Facts with their sources: models, GPUs, and what GGUF files leave to llama.cpp's code."""
