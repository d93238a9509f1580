package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// flashCookie holds the word of the message that the next page shows; see flashOf.
const flashCookie = "dialnote_flash"

// The words.
const (
	webhookCreated    = "webhook-created"
	webhookSaved      = "webhook-saved"
	webhookDeleted    = "webhook-deleted"
	webhookEnabled    = "webhook-enabled"
	webhookEnabledNew = "webhook-enabled-new"
	keyRevoked        = "key-revoked"
	zapierRotated     = "zapier-rotated"
	redelivered       = "redelivered"
	recoveryCancelled = "recovery-cancelled"
)

// flashOf returns the message of a word, nil for an unknown one.
func flashOf(word string) *view.Flash {
	text := map[string]string{
		webhookSaved:      "The webhook was saved.",
		webhookDeleted:    "The webhook was deleted.",
		webhookEnabled:    "The webhook is enabled. Events that were held are on their way.",
		webhookEnabledNew: "The webhook is enabled. It sends events from now on.",
		keyRevoked:        "The key was revoked.",
		redelivered:       "The delivery is made again. Its attempt will be listed below.",
		recoveryCancelled: "The recovery was cancelled.",
	}[word]
	if text == "" {
		return nil
	}
	return &view.Flash{Text: text, Tone: view.Good}
}

func giveFlash(w http.ResponseWriter, r *http.Request, word string) {
	if word != "" {
		http.SetCookie(w, flash(r, word, 60))
	}
}

// takeFlash returns the word of a request's cookie, and removes the cookie, so that
// the message is shown once.
func takeFlash(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(flashCookie)
	if err != nil || r.Method != http.MethodGet || !shown(r) {
		return ""
	}
	http.SetCookie(w, flash(r, "", -1))
	return cookie.Value
}

// shown reports whether the response is the page that a person sees next, and not a
// part of an open page or its stream.
func shown(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document", "iframe":
		return true
	case "":
		return !scripted(r) && r.Header.Get("Accept") != "text/event-stream"
	default:
		return false
	}
}

func flash(r *http.Request, word string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // secure where the page is reached by https
		Name: flashCookie, Value: word, Path: "/portal/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: overTLS(r),
	}
}

func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
