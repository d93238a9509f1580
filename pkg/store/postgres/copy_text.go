package postgres

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

// appendRow appends a line of COPY's text format, without its end, with the
// columns in the order of AttemptColumns.
func appendRow(b []byte, row *sqlstore.AttemptRow) []byte {
	b = appendTexts(b, row.ID, row.DeliveryID, row.WebhookID, row.OrganizationID, row.EventID, row.EventType)
	b = appendInts(b, row.EventSequence, int64(row.Number))
	b = appendBool(b, row.Test)
	b = appendTexts(b, row.URL)
	b = appendTime(b, row.StartedAt)
	b = appendTime(b, row.EndedAt)
	b = appendTexts(b, row.Result, row.Reason, row.Message)
	b = appendInts(b, int64(row.StatusCode), row.RetryAfter)
	b = appendTextOrNull(b, string(row.ResponseHeader))
	b = appendBytes(b, row.ResponseBody)
	b = appendBool(b, row.ResponseTruncated)
	b = appendTexts(b, row.RemoteAddr)
	b = appendInts(b, row.Resolve, row.Connect, row.TLS, row.FirstByte, row.Total)
	b = appendTexts(b, row.Status)
	b = appendTime(b, row.NextAt)
	b = appendBytesOrNull(b, row.RequestBody)
	b = appendTextOrNull(b, strings.Join(row.HeaderNames, " "))
	b = appendFlag(b, row.SentTwice)
	b = appendTextOrNull(b, string(row.ResponseEncoding))
	b = appendFlag(b, row.HeaderTruncated)
	return b[:len(b)-1] // the last column has no tab behind it
}

const null = `\N` + "\t"

func appendTexts(b []byte, texts ...string) []byte {
	for _, text := range texts {
		b = append(appendEscaped(b, text), '\t')
	}
	return b
}

func appendTextOrNull(b []byte, text string) []byte {
	if text == "" {
		return append(b, null...)
	}
	return appendTexts(b, text)
}

// appendEscaped appends text with the escapes that COPY's text format has for
// its own characters.
func appendEscaped(b []byte, text string) []byte {
	from := 0
	for i := range len(text) {
		letter := text[i]
		switch letter {
		default:
			continue
		case '\\':
		case '\t':
			letter = 't'
		case '\n':
			letter = 'n'
		case '\r':
			letter = 'r'
		}
		b = append(append(b, text[from:i]...), '\\', letter)
		from = i + 1
	}
	return append(b, text[from:]...)
}

func appendInts(b []byte, ints ...int64) []byte {
	for _, n := range ints {
		b = append(strconv.AppendInt(b, n, 10), '\t')
	}
	return b
}

func appendBool(b []byte, is bool) []byte {
	return append(strconv.AppendBool(b, is), '\t')
}

func appendFlag(b []byte, flag sqlstore.Flag) []byte {
	if !flag {
		return append(b, null...)
	}
	return appendBool(b, true)
}

func appendBytes(b, bytes []byte) []byte {
	return append(hex.AppendEncode(append(b, `\\x`...), bytes), '\t')
}

func appendBytesOrNull(b, bytes []byte) []byte {
	if bytes == nil {
		return append(b, null...)
	}
	return appendBytes(b, bytes)
}

// appendTime appends NULL for the zero time. Postgres has its own way to write
// the years before the first.
func appendTime(b []byte, t sqlstore.Timestamp) []byte {
	if t.IsZero() {
		return append(b, null...)
	}
	at := t.UTC()
	if at.Year() < 1 {
		return append(append(b, pq.FormatTimestamp(at)...), '\t')
	}
	return append(at.AppendFormat(b, time.RFC3339Nano), '\t')
}
