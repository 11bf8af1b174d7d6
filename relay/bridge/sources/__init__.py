"""Where changes come from: one folder for each kind of server that the bridge can watch."""
