package stream

// VersionServes exposes the check of the server's version.
func VersionServes(version string) bool { return versionAtLeast(version, minMajor, minMinor) }

// Complete reports whether the fleet can know all replicas.
func (f *Fleet) Complete() bool {
	_, all := f.alive()
	return all
}
