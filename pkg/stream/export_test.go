package stream

// VersionServes exposes the check of the server's version.
func VersionServes(version string) bool { return versionAtLeast(version, minMajor, minMinor) }

// Complete reports whether the fleet can know all replicas.
func (f *Fleet) Complete() bool {
	_, all := f.alive()
	return all
}

// BeatReturns has the member receive a heartbeat that it sent at its start.
func (m *Member) BeatReturns() { m.prove(heartbeat{Sent: 1, Epoch: m.c.reconnects()}) }
