// A receiver of dialnote webhooks that needs nothing but Go:
//
//	DIALNOTE_WEBHOOK_SECRET=whsec_… PORT=3000 go run main.go
package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tolerance is how far a request's time may be off.
const tolerance = 5 * time.Minute

// limit is how many bytes a body may have. Ours have less.
const limit = 1 << 20

// verifyDialNote checks X-DialNote-Signature: keyed by the whole secret, whsec_
// included, and made of the body's bytes.
func verifyDialNote(secret string, body []byte, signature string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	expected := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(signature), []byte(expected)) // takes as long whatever is different
}

// verifyStandard checks the headers of Standard Webhooks: keyed by the bytes
// behind whsec_, and made of id, time and body. The header may list several
// signatures, one of which must match.
func verifyStandard(secret string, body []byte, id, timestamp, signatures string, now time.Time) bool {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.SplitSeq(signatures, " ") {
		if hmac.Equal([]byte(signature), []byte(expected)) {
			return true
		}
	}
	return false
}

// --- The receiver ---

type receiver struct {
	secret string
	seen   sync.Map // in production: a table with the event's id as its key
	work   chan []byte
}

func (rec *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit)) // the bytes, before anything parses them
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	id, h := r.Header.Get("webhook-id"), r.Header
	if err != nil || !verifyStandard(rec.secret, body, id, h.Get("webhook-timestamp"), h.Get("webhook-signature"), time.Now()) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if _, repeated := rec.seen.LoadOrStore(id, true); !repeated {
		rec.work <- body
	}
	w.WriteHeader(http.StatusNoContent) // answer at once: the work can take its time
}

func (rec *receiver) run() {
	for body := range rec.work {
		var event struct{ ID, Type string }
		if err := json.Unmarshal(body, &event); err == nil {
			log.Println(event.Type, event.ID)
		}
	}
}

func main() {
	rec := &receiver{secret: os.Getenv("DIALNOTE_WEBHOOK_SECRET"), work: make(chan []byte, 1000)}
	if rec.secret == "" {
		log.Fatal("set DIALNOTE_WEBHOOK_SECRET: without it every sender could sign")
	}
	go rec.run()
	server := &http.Server{
		Addr: "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "3000"), Handler: rec, ReadTimeout: 30 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
