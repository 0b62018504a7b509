"""Everything that touches a process, a socket, a clock or a virtual machine."""
