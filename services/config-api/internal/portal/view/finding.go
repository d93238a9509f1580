package view

import (
	"strings"

	"github.com/dialnote/webhooks/pkg/signature"
)

// ReadReceived reads a pasted request: headers one a line, or a signature alone,
// and a body. A form sends line breaks as CR LF; they are read as the LF that a
// program sends.
func ReadReceived(headers, body string) signature.Received {
	r := signature.Received{Body: []byte(strings.ReplaceAll(body, "\r\n", "\n"))}
	for line := range strings.Lines(headers) {
		line = strings.TrimSpace(line)
		name, value, named := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), `"',`)
		switch strings.ToLower(strings.Trim(name, `"' `)) {
		case "x-dialnote-signature":
			r.DialNote = value
		case "webhook-id":
			r.Standard.ID = value
		case "webhook-timestamp":
			r.Standard.Timestamp = value
		case "webhook-signature":
			r.Standard.Signature = value
		default:
			if !named && line != "" && !strings.ContainsAny(line, "{}") {
				r.DialNote = line
			}
		}
	}
	return r
}

// FindingsOf returns what the checker says. given is the body that was checked,
// sent the one that was sent, nil when that is not known.
func FindingsOf(list []signature.Diagnosis, given, sent []byte) []Finding {
	findings := make([]Finding, 0, len(list))
	for _, d := range list {
		f := findingOf(d)
		f.Scheme = "X-DialNote-Signature"
		if d.Scheme == signature.SchemeStandard {
			f.Scheme = "webhook-signature (Standard Webhooks)"
		}
		switch d.Verdict {
		case signature.ChangedBytes, signature.Reserialised:
			if sent != nil {
				f.Want, f.Given = firstDifference(string(sent), string(given))
			}
		default:
		}
		findings = append(findings, f)
	}
	return findings
}

// findingOf is the one table from verdicts to words.
func findingOf(d signature.Diagnosis) Finding {
	good, old, bad := Badge{"Matches", Good}, Badge{"Matches", Waiting}, Badge{"Does not match", Bad}
	rawBody := []string{
		"Verify the raw body, before anything parses it.",
		"In Express use express.raw or the verify option of express.json; in other frameworks read the request's bytes.",
	}
	switch d.Verdict {
	case signature.Matches:
		return Finding{Badge: good, Title: "The signature matches", Says: "It was made with this webhook's secret over exactly this body."}
	case signature.TooOld:
		return Finding{Badge: old, Title: "The signature matches, and its time is old", Says: "webhook-timestamp is more than 5 minutes ago. Libraries refuse that, because an attacker may have kept the request and sent it again.", Do: []string{"For a request of today, check your server's clock.", "For one that you kept, this is as it should be."}}
	case signature.TooNew:
		return Finding{Badge: old, Title: "The signature matches, and its time is in the future", Says: "webhook-timestamp is more than 5 minutes ahead of our clock.", Do: []string{"Check that the timestamp was copied whole."}}
	case signature.NoTime:
		return Finding{Badge: bad, Title: "webhook-id or webhook-timestamp is missing", Says: "This signature is over the id, the time and the body together, so all three headers are needed.", Do: []string{"Paste webhook-id, webhook-timestamp and webhook-signature, one a line."}}
	case signature.BadForm:
		return Finding{Badge: bad, Title: "This is not a whole signature", Says: "X-DialNote-Signature is sha256= and 64 hexadecimal digits; webhook-signature is v1, and 44 characters of base64.", Do: []string{"Check that the value was copied to its end."}}
	case signature.Prefix:
		return Finding{Badge: bad, Title: "The prefix is missing", Says: "The digest itself is right. The header's value begins with sha256= (or v1, for Standard Webhooks), and your code must put that before the digest it computes.", Do: []string{"Compare with 'sha256=' + digest."}}
	case signature.Encoding:
		return Finding{Badge: bad, Title: "The digest is written in another form", Says: "The digest itself is right, but X-DialNote-Signature is written in lower-case hexadecimal digits.", Do: []string{"Use .digest('hex') or its like, not base64 and not upper case."}}
	case signature.Scheming:
		return Finding{Badge: bad, Title: "This is the other scheme's signature", Says: "Each request carries two signatures. This value belongs to the other header.", Do: []string{"sha256=… is X-DialNote-Signature; v1,… is webhook-signature. Compare each with its own computation."}}
	case signature.HalfKey:
		return Finding{Badge: bad, Title: "The key is only a part of the secret", Says: "It was made without whsec_, or with what its base64 holds. For X-DialNote-Signature the key is the secret's whole text.", Do: []string{"Use the secret as it is shown, whsec_ included, as the key."}}
	case signature.WholeKey:
		return Finding{Badge: bad, Title: "The key was not decoded", Says: "For Standard Webhooks the key is what the base64 after whsec_ holds, not its text.", Do: []string{"Decode the part after whsec_ with base64, or let a Standard Webhooks library do it."}}
	case signature.WhiteSpace:
		return Finding{Badge: bad, Title: "The body has white space that was not sent", Says: "Without the line breaks or spaces around it, the signature matches.", Do: rawBody}
	case signature.Reserialised:
		return Finding{Badge: bad, Title: "The body was written again", Says: "It is the same JSON, but not the same bytes: something parsed it and wrote it again.", Do: rawBody}
	case signature.ChangedBytes:
		return Finding{Badge: bad, Title: "The body was changed", Says: "The signature is right for the body that was sent, but what you pasted has other bytes.", Do: rawBody}
	case signature.OtherKey:
		return Finding{Badge: bad, Title: "It is the secret of another webhook", Says: "It was signed with the secret of “" + d.Other + "”.", Do: []string{"Each webhook has its own secret. Check which one your server uses."}}
	case signature.UnknownKey:
		return Finding{Badge: bad, Title: "It was made with another secret", Says: "We know the body that was sent, and this signature is not this webhook's over it.", Do: []string{"Check that your server has this webhook's secret, whole and without quotation marks or a line break.", "If the webhook was deleted and created again, its secret is another one."}}
	case signature.Differs:
		return Finding{Badge: bad, Title: "The signature does not match", Says: "The secret or the body is another one. Which, cannot be told: we do not know the body of this event.", Do: []string{"Paste the raw body with its id, so that it can be compared with what was sent.", "Check that your server has this webhook's secret."}}
	}
	return Finding{Badge: bad, Title: "The signature does not match"}
}

// firstDifference returns the two texts around the place where they begin to
// differ.
func firstDifference(want, given string) (a, b string) {
	at := 0
	for at < len(want) && at < len(given) && want[at] == given[at] {
		at++
	}
	return around(want, at), around(given, at)
}

func around(text string, at int) string {
	const before, after = 24, 60
	from, to := max(0, at-before), min(len(text), at+after)
	part := strings.ToValidUTF8(text[from:to], "\uFFFD")
	if from > 0 {
		part = "…" + part
	}
	if to < len(text) {
		part += "…"
	}
	if part == "" {
		return "(nothing)"
	}
	return part
}
