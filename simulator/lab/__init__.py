"""One APNs sandbox and its phones, for anybody's provider: no relay, no bridge, no OpenCode."""
