"""Facts with their sources: models, GPUs, and what only llama.cpp's code knows of GGUF files."""
