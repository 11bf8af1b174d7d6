"""Pictures, as SVG text: the phone's lock screen, its Dynamic Island, and who sent what when. Pure."""
