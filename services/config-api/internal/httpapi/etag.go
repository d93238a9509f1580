package httpapi

import (
	"strconv"
	"strings"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// etag returns the entity tag of a webhook's version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// ifMatch reads an If-Match header (RFC 9110, section 13.1.1). Absent and * are
// any version: an operation on what does not exist answers 404 by itself. A
// weak tag never matches, and neither does one that is not ours. What is not a
// list of tags is a Malformed fault.
func ifMatch(header *string) (manage.Versions, error) {
	if header == nil || strings.TrimSpace(*header) == "*" {
		return manage.Versions{}, nil
	}
	var versions []int64
	for rest := *header; ; {
		tag, after, ok := nextTag(rest)
		if !ok {
			return manage.Versions{}, contract.InvalidParameters(fault.Field{
				Pointer: "If-Match", Detail: `If-Match must be an ETag as it was received, quotes included, like "3", or *.`,
			})
		}
		if version, known := versionOf(tag); known {
			versions = append(versions, version)
		}
		if after == "" {
			return manage.OnlyVersions(versions), nil
		}
		rest = after[1:]
	}
}

// nextTag cuts the first entity tag off a list. after is empty, or begins with
// the comma that follows.
func nextTag(list string) (tag, after string, ok bool) {
	list = strings.TrimLeft(list, " \t")
	opaque := strings.TrimPrefix(list, "W/")
	if !strings.HasPrefix(opaque, `"`) {
		return "", "", false
	}
	inside, after, closed := strings.Cut(opaque[1:], `"`)
	after = strings.TrimLeft(after, " \t")
	if !closed || strings.ContainsFunc(inside, notInTag) || after != "" && after[0] != ',' {
		return "", "", false
	}
	return list[:len(list)-len(opaque)+len(inside)+2], after, true
}

// notInTag reports whether an entity tag cannot hold r: controls and spaces.
func notInTag(r rune) bool { return r <= ' ' || r == 0x7f }

// versionOf returns the version of a strong tag that etag could have made.
func versionOf(tag string) (int64, bool) {
	version, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	return version, err == nil && etag(version) == tag
}
