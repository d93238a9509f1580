package endpoint

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// normalHost returns a URL's host in its normal form: the shortest text of an
// address, in brackets when it is IPv6, or a name in lower-case ASCII.
func normalHost(host string, bracketed bool) (string, error) {
	if bracketed {
		return normalIPv6(host)
	}
	name, err := asciiName(host)
	if err != nil {
		return "", err
	}
	if err := checkName(name); err != nil {
		return "", err
	}
	return name, nil
}

func normalIPv6(host string) (string, error) {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil || !addr.Is6():
		return "", refusal("The URL's host is not a valid IPv6 address.")
	case addr.Zone() != "":
		return "", refusal("The URL's address must not have a zone, the part after %.")
	case addr.Is4In6():
		return "", refusal("The URL's host is an IPv4 address written as IPv6. Write it as IPv4.")
	}
	return "[" + addr.String() + "]", nil
}

// asciiName returns a name in lower-case ASCII. Names outside ASCII must come
// back unchanged from IDNA and its inverse: the mapping turns full-width and
// circled digits, ideographic stops and soft hyphens into ASCII, so that what
// reads as a name arrives as 127.0.0.1.
func asciiName(host string) (string, error) {
	lower := strings.ToLower(host)
	if isASCII(host) && !strings.HasPrefix(lower, "xn--") && !strings.Contains(lower, ".xn--") {
		return lower, nil
	}
	const detail = "The URL's host name is not a valid international domain name."
	ascii, err := idna.Lookup.ToASCII(lower)
	if err != nil {
		return "", refusal(detail).Because(err)
	}
	shown, err := idna.Lookup.ToUnicode(ascii)
	if err != nil {
		return "", refusal(detail).Because(err)
	}
	// Capital letters too must be what IDNA makes of them, not what Unicode does:
	// net/http, given the URL as it was typed, asks IDNA.
	typed, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", refusal(detail).Because(err)
	}
	if shown != lower && ascii != lower || typed != ascii {
		return "", refusal("The URL's host name contains characters that stand for others. Type it in its plain form.")
	}
	return ascii, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// checkName judges a lower-case ASCII name by the limits of RFC 1035, section
// 2.3.4. Underscores are let through: DNS has them and receivers use them.
func checkName(name string) error {
	if strings.HasSuffix(name, ".") {
		return refusal("The URL's host name must not end with a dot.")
	}
	if len(name) > 253 {
		return refusal("The URL's host name is longer than 253 characters.")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return refusal("The URL's host name is not valid.")
		}
		last = label
	}
	if !endsInNumber(last) {
		return nil
	}
	// From here on it is an IPv4 address or nothing: C libraries read 127.1,
	// 0x7f.1, 2130706433 and 0177.0.0.1 as one, and so do browsers (WHATWG URL,
	// "ends in a number").
	if _, err := netip.ParseAddr(name); err != nil {
		return refusal("The URL's host looks like an IPv4 address in an unusual form. Write it as four decimal numbers.")
	}
	return nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// endsInNumber reports whether a name's last label is a number to the parsers
// that read numbers: decimal, octal, or hexadecimal after 0x.
func endsInNumber(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	for i := range len(digits) {
		if c := digits[i]; !isDigit(c) && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isAddress reports whether a host in normal form is an address. A name never
// ends in a digit-only label and never holds a colon.
func isAddress(host string) bool {
	return strings.Contains(host, ":") || endsInNumber(host[strings.LastIndexByte(host, '.')+1:])
}
