package receiver

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Parse returns the behaviour that a text, usually a request's path with its
// query, asks for. known is false when its first word is none of these; words
// after what a behaviour takes are ignored:
//
//	ok                            200
//	status/<codes>                one status after another, the last repeats
//	cycle/<codes>                 one status after another, again and again
//	gone                          410
//	delay/<duration>[/<codes>]    the status after a delay
//	flaky/<rate>[?seed=<n>]       500 at this rate, else 200
//	retry-after/<value>[/<code>]  429 (or code) with Retry-After
//	redirect[/<code>][?to=<url>]  302 (or code) with Location, "/ok" by default
//	hang                          no answer
//	drip[/<interval>]             200, then a byte at every interval (100ms)
//	big/<bytes>                   200 with a body of this size
//	bomb[/<bytes>]                200 with a gzip body that unpacks to this (1 GiB)
//	close                         the connection closed without an answer
//	reset                         the connection reset
//	truncate                      a body shorter than promised
//	garbage                       an answer that is not HTTP
//	endless-headers               header lines without end
//	endless-informational         1xx answers without end
//
// It returns an error when the word is known and what follows is wrong.
func Parse(text string) (b Behaviour, known bool, err error) {
	path, rawQuery, _ := strings.Cut(strings.TrimPrefix(text, "/"), "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, true, fmt.Errorf("query of %q: %w", text, err)
	}
	words := strings.Split(path, "/")
	if fixed, ok := fixed(words[0]); ok {
		return fixed, true, nil
	}
	parse, ok := parser(words[0])
	if !ok {
		return nil, false, nil
	}
	b, err = parse(arguments{words[1:], query})
	if err != nil {
		return nil, true, fmt.Errorf("behaviour %q: %w", text, err)
	}
	return b, true, nil
}

// fixed returns the behaviour of a word that takes nothing.
func fixed(word string) (Behaviour, bool) {
	switch word {
	case "ok":
		return OK(), true
	case "gone":
		return Statuses(http.StatusGone), true
	case "hang":
		return Hang(), true
	case "close":
		return Close(), true
	case "reset":
		return Reset(), true
	case "truncate":
		return Truncate(), true
	case "garbage":
		return Garbage(), true
	case "endless-headers":
		return EndlessHeaders(), true
	case "endless-informational":
		return EndlessInformational(), true
	default:
		return nil, false
	}
}

// parser returns what reads the arguments of a word.
func parser(word string) (func(arguments) (Behaviour, error), bool) {
	switch word {
	case "status":
		return func(a arguments) (Behaviour, error) { s, err := a.statuses(0); return Statuses(s...), err }, true
	case "cycle":
		return func(a arguments) (Behaviour, error) { s, err := a.statuses(0); return Cycle(s...), err }, true
	case "delay":
		return parseDelay, true
	case "flaky":
		return parseFlaky, true
	case "retry-after":
		return parseRetryAfter, true
	case "redirect":
		return parseRedirect, true
	case "drip":
		return parseDrip, true
	case "big":
		return func(a arguments) (Behaviour, error) { n, err := a.size(0, -1); return Big(n), err }, true
	case "bomb":
		return func(a arguments) (Behaviour, error) { n, err := a.size(0, 1<<30); return Bomb(n), err }, true
	default:
		return nil, false
	}
}

func parseDelay(a arguments) (Behaviour, error) {
	delay, err := time.ParseDuration(a.word(0))
	if err != nil || delay < 0 {
		return nil, fmt.Errorf("%q is no delay like 250ms", a.word(0))
	}
	if first := a.word(1); first == "" || first[0] < '0' || first[0] > '9' {
		return Delayed(delay, OK()), nil
	}
	statuses, err := a.statuses(1)
	return Delayed(delay, Statuses(statuses...)), err
}

func parseFlaky(a arguments) (Behaviour, error) {
	rate, err := strconv.ParseFloat(a.word(0), 64)
	if err != nil || !(rate >= 0 && rate <= 1) {
		return nil, fmt.Errorf("%q is no rate between 0 and 1", a.word(0))
	}
	var seed uint64
	if text := a.query.Get("seed"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fmt.Errorf("seed: %w", err)
		}
	}
	return Flaky(rate, seed), nil
}

func parseRetryAfter(a arguments) (Behaviour, error) {
	if a.word(0) == "" {
		return nil, fmt.Errorf("%q is no Retry-After", a.word(0))
	}
	status, err := a.status(1, http.StatusTooManyRequests)
	return RetryAfter(a.word(0), status), err
}

func parseRedirect(a arguments) (Behaviour, error) {
	to := a.query.Get("to")
	if to == "" {
		to = "/ok"
	}
	status, err := a.status(0, http.StatusFound)
	return Redirect(to, status), err
}

func parseDrip(a arguments) (Behaviour, error) {
	interval, err := time.ParseDuration(a.word(0))
	if err != nil {
		interval = 100 * time.Millisecond // the word is the caller's own
	}
	if interval <= 0 {
		return nil, fmt.Errorf("%q is no interval like 100ms", a.word(0))
	}
	return Drip(interval), nil
}

// arguments are what follows a behaviour's word.
type arguments struct {
	words []string
	query url.Values
}

// word returns the ith word, or "".
func (a arguments) word(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

// statuses reads the ith word as a list of final statuses.
func (a arguments) statuses(i int) ([]int, error) {
	var all []int
	for text := range strings.SplitSeq(a.word(i), ",") {
		status, err := strconv.Atoi(text)
		if err != nil || status < 200 || status > 599 {
			return nil, fmt.Errorf("%q is no status between 200 and 599", text)
		}
		all = append(all, status)
	}
	return all, nil
}

// status reads the ith word as one final status. A word that does not begin
// with a digit is the caller's own, and gives the fallback.
func (a arguments) status(i, fallback int) (int, error) {
	word := a.word(i)
	if word == "" || word[0] < '0' || word[0] > '9' {
		return fallback, nil
	}
	all, err := a.statuses(i)
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// size reads the ith word as a number of bytes, or gives the fallback when it
// is not there and the fallback is not negative.
func (a arguments) size(i int, fallback int64) (int64, error) {
	if a.word(i) == "" && fallback >= 0 {
		return fallback, nil
	}
	n, err := strconv.ParseInt(a.word(i), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number of bytes", a.word(i))
	}
	return n, nil
}
