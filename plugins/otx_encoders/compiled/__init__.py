"""Parts of encoders in machine code for the CPU: attention and dropout."""
