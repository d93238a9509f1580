package endpoint

import (
	"fmt"
	"strconv"
	"strings"
)

// DefaultPorts is the setting of the default PortSet (specification, section 9).
const DefaultPorts = "443,8443,1024-65535"

// PortSet is a set of TCP ports. The zero PortSet is the default one.
type PortSet struct {
	ranges []portRange // in the order of the setting
}

type portRange struct{ first, last uint16 }

// ParsePorts reads a setting like "443,8443,1024-65535": ports and ranges,
// separated by commas. It returns an error that names the wrong part. An empty
// setting is an error, as it would allow nothing.
func ParsePorts(setting string) (PortSet, error) {
	var set PortSet
	for part := range strings.SplitSeq(setting, ",") {
		r, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return PortSet{}, err
		}
		set.ranges = append(set.ranges, r)
	}
	return set, nil
}

func parseRange(part string) (portRange, error) {
	low, high, isRange := strings.Cut(part, "-")
	first, err := parsePort(low)
	if err != nil {
		return portRange{}, fmt.Errorf("ports %q: %w", part, err)
	}
	if !isRange {
		return portRange{first, first}, nil
	}
	last, err := parsePort(high)
	if err != nil {
		return portRange{}, fmt.Errorf("ports %q: %w", part, err)
	}
	if last < first {
		return portRange{}, fmt.Errorf("ports %q: the range ends before it begins", part)
	}
	return portRange{first, last}, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", s)
	}
	return uint16(n), nil
}

// Has reports whether port is in the set.
func (s PortSet) Has(port uint16) bool {
	if s.ranges == nil {
		return port == 443 || port >= 1024
	}
	for _, r := range s.ranges {
		if r.first <= port && port <= r.last {
			return true
		}
	}
	return false
}

// String returns the set as ParsePorts reads it.
func (s PortSet) String() string {
	if s.ranges == nil {
		return DefaultPorts
	}
	parts := make([]string, 0, len(s.ranges))
	for _, r := range s.ranges {
		part := strconv.Itoa(int(r.first))
		if r.last != r.first {
			part += "-" + strconv.Itoa(int(r.last))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

// UnmarshalText is ParsePorts, for reading settings.
func (s *PortSet) UnmarshalText(text []byte) error {
	set, err := ParsePorts(string(text))
	if err != nil {
		return err
	}
	*s = set
	return nil
}

// MarshalText returns the set as UnmarshalText reads it.
func (s PortSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
