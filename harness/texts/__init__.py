"""What the kernel, the guest and the build print, as typed values. Pure."""
