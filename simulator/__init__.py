"""Everything around the relay on one laptop: an APNs sandbox, a fake OpenCode server and a fake iPhone."""
