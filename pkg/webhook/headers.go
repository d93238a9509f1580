package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Limits of the headers that an owner may add.
const (
	MaxHeaders     = 10    // of one webhook
	MaxHeaderName  = 128   // bytes
	MaxHeaderValue = 1_024 // bytes
)

// HeaderMask is shown in place of a header's value. In a Change it leaves the value
// as it is.
const HeaderMask = "********"

// Header is a header that the owner adds to each request of a webhook, such as
// the key that a receiver asks for. It is no part of a signature.
type Header struct {
	Name  string // in the case that was typed, in which it is sent
	Value HeaderValue
}

// HeaderValue is a header's value, which may be a password. It prints as
// HeaderMask, so that it cannot reach a log by accident; Reveal returns the
// text.
type HeaderValue string

// Reveal returns the value's text.
func (v HeaderValue) Reveal() string { return string(v) }

// String returns HeaderMask.
func (v HeaderValue) String() string { return HeaderMask }

// GoString returns HeaderMask.
func (v HeaderValue) GoString() string { return HeaderMask }

// MarshalText returns HeaderMask.
func (v HeaderValue) MarshalText() ([]byte, error) { return []byte(HeaderMask), nil }

// HeaderChange sets a header, or removes it.
type HeaderChange struct {
	Name   string
	Value  HeaderValue // HeaderMask leaves the value as it is
	Remove bool        // one that is not there is no error
}

// HeaderNames returns the names of headers, nil without any.
func HeaderNames(headers []Header) []string {
	if len(headers) == 0 {
		return nil
	}
	names := make([]string, 0, len(headers))
	for _, h := range headers {
		names = append(names, h.Name)
	}
	return names
}

// MaskedHeaders returns headers with these names and nothing but masks for
// values, nil without any.
func MaskedHeaders(names []string) []Header {
	if len(names) == 0 {
		return nil
	}
	masked := make([]Header, 0, len(names))
	for _, name := range names {
		masked = append(masked, Header{Name: name, Value: HeaderMask})
	}
	return masked
}

// NewHeaders returns the headers of a new webhook as they are kept: in the
// order of their names, names and values trimmed, and what is wrong with them,
// with pointers into a request's body.
func NewHeaders(given []Header) ([]Header, []fault.Field) {
	changes := make([]HeaderChange, 0, len(given))
	for _, h := range given {
		changes = append(changes, HeaderChange{Name: h.Name, Value: h.Value})
	}
	return changeHeaders(nil, changes)
}

// changeHeaders returns old with the changes made. Names are the same in either
// case of their letters (RFC 9110, section 5.1). What stays is not checked
// again.
func changeHeaders(old []Header, changes []HeaderChange) ([]Header, []fault.Field) {
	headers, wrong := slices.Clone(old), []fault.Field(nil)
	given := make(map[string]bool, len(changes))
	for _, c := range changes {
		name := Trim(c.Name)
		key := strings.ToLower(name)
		if given[key] {
			wrong = append(wrong, headerField(c.Name, "is given twice; upper and lower case make no difference."))
			continue
		}
		given[key] = true
		at := slices.IndexFunc(headers, func(h Header) bool { return strings.EqualFold(h.Name, name) })
		switch {
		case c.Remove && at >= 0:
			headers = slices.Delete(headers, at, at+1)
		case c.Remove, c.Value == HeaderMask && at >= 0:
		case at >= 0:
			h, broken := newHeader(c)
			headers[at], wrong = h, append(wrong, broken...)
		default:
			h, broken := newHeader(c)
			headers, wrong = append(headers, h), append(wrong, broken...)
		}
	}
	if len(headers) > MaxHeaders {
		wrong = append(wrong, field("/headers", fmt.Sprintf("headers has %d entries, at most %d are possible.", len(headers), MaxHeaders))...)
	}
	if len(headers) == 0 {
		return nil, wrong
	}
	slices.SortFunc(headers, func(a, b Header) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return headers, wrong
}

func newHeader(c HeaderChange) (Header, []fault.Field) {
	h := Header{Name: Trim(c.Name), Value: HeaderValue(Trim(c.Value.Reveal()))}
	if detail := headerFault(h); detail != "" {
		return h, []fault.Field{headerField(c.Name, detail)}
	}
	return h, nil
}

// headerFault says what is wrong with a header, to follow its name; "" is
// nothing.
func headerFault(h Header) string {
	value := h.Value.Reveal()
	switch {
	case h.Name == "" || strings.ContainsFunc(h.Name, notToken):
		return "is no name of a header: it has letters, digits and -, without spaces or colons."
	case len(h.Name) > MaxHeaderName:
		return fmt.Sprintf("is too long for a header's name: %d bytes, at most %d.", len(h.Name), MaxHeaderName)
	case ReservedHeader(h.Name):
		return "cannot be set: dialnote, the connection or a proxy sets this header."
	case value == "":
		return "needs a value."
	case len(value) > MaxHeaderValue:
		return fmt.Sprintf("has a value that is too long: %d bytes, at most %d.", len(value), MaxHeaderValue)
	case strings.ContainsFunc(value, notInValue):
		return "has a value with characters that a header cannot have: it takes ASCII letters, digits, signs and spaces, in one line."
	case value == HeaderMask:
		return "has only the mask for a value: give the value itself."
	}
	return ""
}

// notToken reports whether a name cannot have this character (RFC 9110, section
// 5.6.2).
func notToken(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func notInValue(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }

// ReservedHeader reports whether an owner cannot set a header of this name: we
// set it (specification, section 4), or the connection does, or a proxy before the
// receiver does, whose word the receiver takes, or it would change what the request
// means. Names are the same to receivers that turn all but letters and digits into
// _, as CGI, WSGI and PHP do (RFC 3875, section 4.1.18), so they are the same here.
func ReservedHeader(name string) bool {
	name = strings.Map(likeCGI, name)
	return slices.ContainsFunc(reservedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) ||
		slices.Contains(reservedNames, name)
}

// likeCGI returns a character of a header's name as receivers of the CGI family see
// it, but for the case of letters and with - in place of _.
func likeCGI(r rune) rune {
	switch {
	case r >= 'A' && r <= 'Z':
		return r + ('a' - 'A')
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	}
	return '-'
}

//nolint:gochecknoglobals // constant
var reservedPrefixes = []string{
	"x-dialnote-", "webhook-",
	"content-", // the body and its form are ours
	"if-",      // a condition could keep the receiver from acting
	// what proxies tell receivers: who asks, for what, and who was let in
	"proxy-", "x-proxy-", "x-forwarded-", "x-original-", "x-rewrite-", "x-remote-", "x-real-", "x-client-ip", "x-cluster-", "x-envoy-",
	"x-ssl-", "ssl-client-", "x-client-cert", "x-auth-request-", "x-authenticated-",
	"cf-", "fastly-", "x-amzn-", "x-amz-cf-", "cloudfront-", "x-azure-", "x-arr-", "x-ms-client-principal",
	"x-appengine-", "x-goog-iap-", "x-goog-authenticated-", "x-akamai-", "fly-", "x-nf-",
}

//nolint:gochecknoglobals // constant
var reservedNames = []string{
	"user-agent", "host", "cookie", "date", "expect", "range", "accept-encoding",
	// of the connection (RFC 9110, section 7.6.1)
	"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "via",
	// of proxies
	"forwarded", "x-forwarded", "true-client-ip", "x-http-host-override", "x-forward-for", "client-ip", "remote-user", "remote-addr", "x-user-ip",
	// the same in every request, it would make all events one
	"idempotency-key", "x-idempotency-key",
	// some frameworks make another method of the request
	"x-http-method", "x-http-method-override", "x-method-override",
}

// headerField points at a header of a request's body (RFC 6901).
func headerField(name, detail string) fault.Field {
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return fault.Field{Pointer: "/headers/" + escaped, Detail: shownName(name) + " " + detail}
}

// shownName returns a header's name so that it can stand in a sentence.
func shownName(name string) string {
	const most = 60
	if name == "" || strings.ContainsFunc(name, notToken) || len(name) > most {
		return fmt.Sprintf("%.*q", most, name)
	}
	return name
}
