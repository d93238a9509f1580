package endpoint

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxURLBytes is the longest URL a webhook may have (specification, section 2).
const MaxURLBytes = 2048

// Normal returns the form of raw that is sent: scheme and host in lower case,
// the host in ASCII, no default port, "/" for an empty path. Path and query stay
// as they were typed, dot segments and doubled slashes included, but for the
// bytes that RFC 3986 does not allow there: they are percent-encoded. It returns
// a *fault.Error of kind Invalid for text that is no absolute http or https URL,
// that different programs could read differently, or that holds credentials or
// a fragment.
// Whether a request may go there is for Policy.Check to say.
func Normal(raw string) (*url.URL, error) {
	if err := checkText(raw); err != nil {
		return nil, err
	}
	if err := checkAuthority(raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if _, bad := errors.AsType[url.EscapeError](err); bad {
		return nil, refusal("The URL has a % that is not followed by two hexadecimal digits.")
	}
	if err != nil || u.User != nil || u.Opaque != "" || u.Hostname() == "" {
		return nil, refusal("The URL cannot be understood. Check its host and port.")
	}
	host, err := normalHost(u.Hostname(), strings.HasPrefix(u.Host, "["))
	if err != nil {
		return nil, err
	}
	port, err := normalPort(u.Scheme, u.Port())
	if err != nil {
		return nil, err
	}
	u.Host = host + port
	if u.Path == "" {
		u.Path, u.RawPath = "/", ""
	}
	// RawPath is empty when url.Parse would send the path as it was typed. When
	// it is not, net/http sends it only if nothing in it has to be escaped; else
	// it escapes Path, in which %2F has become a slash.
	u.RawPath = escape(u.RawPath)
	u.RawQuery = escape(u.RawQuery)
	return u, nil
}

// checkText refuses what a careless paste brings along and what URL parsers
// disagree about: white space, control and invisible characters, backslashes.
func checkText(raw string) error {
	switch {
	case raw == "":
		return refusal("Enter the URL of your endpoint.")
	case len(raw) > MaxURLBytes:
		return refusal("The URL is longer than 2,048 bytes.")
	case !utf8.ValidString(raw):
		return refusal("The URL is not valid UTF-8 text.")
	}
	for _, r := range raw {
		switch {
		case unicode.IsSpace(r):
			return refusal("The URL contains a space or a line break.")
		case unicode.IsControl(r) || invisible(r):
			return refusal("The URL contains an invisible character. Type it again instead of pasting it.")
		case r == '\\':
			return refusal("The URL contains a backslash. Use / instead.")
		case r == '#':
			return refusal("The URL must not have a fragment, the part from # on: it is never sent to a server.")
		}
	}
	return nil
}

// invisible reports whether r is a format character. The two joiners are
// letters' company in several scripts, so they are not.
func invisible(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return r > unicode.MaxASCII && unicode.Is(unicode.Cf, r) && r != nonJoiner && r != joiner
}

// checkAuthority judges the text between the scheme and the path, before any
// parser has interpreted it.
func checkAuthority(raw string) error {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || (!strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http")) {
		return refusal("The URL must start with https://.")
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	switch {
	case authority == "":
		return refusal("The URL has no host name.")
	case strings.Contains(authority, "@"):
		return refusal("The URL must not contain a user name or password.")
	case strings.Contains(authority, "%"):
		return refusal("The URL's host name must not contain a %.")
	}
	return nil
}

// normalPort returns ":port", or "" for the scheme's default.
func normalPort(scheme, port string) (string, error) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", refusal("The URL's port must be a number from 1 to 65535.")
	}
	if (scheme == "https" && n == 443) || (scheme == "http" && n == 80) {
		return "", nil
	}
	return ":" + strconv.FormatUint(n, 10), nil
}

// escape percent-encodes the bytes of a path or a query that RFC 3986 does not
// allow in it, and leaves every other byte as it was typed: a receiver may tell
// %2F from a slash, %2B from a plus sign and %7e from %7E. Servers refuse
// requests with a byte that is not allowed; net/http would send it in a query.
func escape(typed string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(typed) {
		c := typed[i]
		if allowed(c) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// allowed reports whether a byte stands for itself in a path and in a query
// (RFC 3986, sections 3.3 and 3.4; a question mark ends the path, so that it is
// not met there). A square bracket does not by the RFC, but every server takes
// it and keys like "a[]" are common. A percent sign is taken for the start of an
// escape: url.Parse refuses a path in which it is not, and in a query browsers
// and curl send it as it stands.
func allowed(c byte) bool {
	switch {
	case c <= ' ', c >= 0x7f:
		return false
	default:
		return !strings.ContainsRune("\"<>\\^`{|}", rune(c))
	}
}
