"""Somebody's push provider before staged APNs: what it lost, doubled or hammered. `simulator conform --provider COMMAND`."""
