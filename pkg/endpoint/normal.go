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
// the host in ASCII, no default port, "/" for an empty path, everything
// percent-encoded that RFC 3986 wants so. It returns a *fault.Error of kind
// Invalid for text that is no absolute http or https URL, that different
// programs could read differently, or that holds credentials or a fragment.
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
	u.RawQuery = escapeQuery(u.RawQuery)
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

// escapeQuery percent-encodes what RFC 3986, section 3.4, does not allow in a
// query. net/http sends a query as it stands, and servers refuse such requests.
func escapeQuery(query string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(query) {
		c := query[i]
		if allowedInQuery(c) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// allowedInQuery reports whether a byte stands for itself in a query. A square
// bracket does not by the RFC, but every server takes it and keys like "a[]"
// are common. A percent sign is taken for the start of an escape.
func allowedInQuery(c byte) bool {
	switch {
	case c <= ' ', c >= 0x7f:
		return false
	default:
		return !strings.ContainsRune("\"<>\\^`{|}", rune(c))
	}
}
