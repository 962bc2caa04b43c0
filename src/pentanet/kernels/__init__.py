"""The doors to the compiled kernels: the native module and its torch operators."""
