package delivery

// Reasons returns every reason for which an attempt fails, in the order of the
// specification.
func Reasons() []Reason {
	return []Reason{
		ReasonDNS, ReasonConnect, ReasonTLS, ReasonTimeout, ReasonReset, ReasonRedirect, ReasonClientError,
		ReasonRateLimited, ReasonServerError, ReasonGone, ReasonBlockedAddress, ReasonProtocol, ReasonInternal,
	}
}
