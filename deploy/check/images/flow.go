package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	organization = "demo"
	token        = "demo-service-token-0123456789" // of deploy/docker/demo.env
	api          = "http://127.0.0.1:8080"
	// The receiver's address is one of this machine's in its namespace, reached
	// through the gateway of the network "outside".
	receiverHost = "10.199.0.1"
	receiverAddr = receiverHost + ":9500"
	slowness     = 5 * time.Second
)

// flow publishes events through the API and keeps account of them: which were
// accepted, and which arrived with a good signature.
type flow struct {
	client *http.Client
	slow   chan struct{} // a slow request has begun

	mu       sync.Mutex
	secrets  map[string]string // by the path of the webhook
	accepted map[string]bool
	arrived  map[string]int // how often
	bad      []string
	number   int
	retried  int
}

// newFlow serves the receiver.
func newFlow(ctx context.Context) (*flow, error) {
	f := &flow{
		client:  &http.Client{Timeout: 5 * time.Second},
		slow:    make(chan struct{}, 1000),
		secrets: map[string]string{}, accepted: map[string]bool{}, arrived: map[string]int{},
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", receiverAddr)
	if err != nil {
		return nil, fmt.Errorf("listen for deliveries: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(f.receive), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return f, nil
}

func (f *flow) receive(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.URL.Path == "/slow" {
		f.slow <- struct{}{}
		time.Sleep(slowness)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if got, want := r.Header.Get("X-Dialnote-Signature"), signature(f.secrets[r.URL.Path], body); got != want {
		f.bad = append(f.bad, fmt.Sprintf("%s at %s: %s, not %s", r.Header.Get("Webhook-Id"), r.URL.Path, got, want))
		return
	}
	f.arrived[r.Header.Get("Webhook-Id")]++
}

// signature is what the help page says that a receiver computes.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// subscribe creates a webhook for a type of event.
func (f *flow) subscribe(ctx context.Context, path, eventType string) error {
	var made struct{ Secret string }
	err := f.post(ctx, "webhooks", map[string]any{"name": "check " + path, "provider": "custom", "url": "http://" + receiverAddr + path, "event": eventType}, http.StatusCreated, &made)
	if err == nil && made.Secret == "" {
		err = errors.New("the answer has no secret")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secrets[path] = made.Secret
	return err
}

func (f *flow) post(ctx context.Context, what string, body any, want int, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+"/v1/organizations/"+organization+"/"+what, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("post %s: %w", what, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return fmt.Errorf("post %s: %w", what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("post %s: %w", what, err)
	}
	if resp.StatusCode != want {
		return fmt.Errorf("post %s: %s: %s", what, resp.Status, answer)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("post %s: read the answer: %w", what, err)
	}
	return nil
}

// publish publishes one event, and again under the same id for as long as the
// API does not take it. It returns the id.
func (f *flow) publish(ctx context.Context, eventType string) (id string, err error) {
	f.mu.Lock()
	f.number++
	id = fmt.Sprintf("evt_check_%d_%06d", time.Now().Unix(), f.number)
	f.mu.Unlock()
	data := map[string]any{"callSid": id, "direction": "inbound", "phoneNumber": "+15551234567", "status": "completed", "duration": 180}
	if eventType == "note.created" {
		data = map[string]any{"noteId": id, "conversationId": id, "body": "A note.", "authorId": "usr_1", "createdAt": "2026-11-01T10:00:00Z"}
	}
	body := map[string]any{"id": id, "type": eventType, "data": data}
	err = until(ctx, 3*time.Minute, func() error {
		err := f.post(ctx, "events", body, http.StatusAccepted, nil)
		if err != nil {
			f.mu.Lock()
			f.retried++
			f.mu.Unlock()
		}
		return err
	})
	if err == nil {
		f.mu.Lock()
		f.accepted[id] = true
		f.mu.Unlock()
	}
	return id, err
}

// during publishes twenty events a second while something is done, and waits
// until each that was accepted has arrived. It returns the account.
func (f *flow) during(ctx context.Context, do func() error) (string, error) {
	f.mu.Lock()
	accepted, twice, retried := len(f.accepted), f.twice(), f.retried
	f.mu.Unlock()
	flowing, stop := context.WithCancel(ctx)
	defer stop()
	patient, giveUp := context.WithCancel(ctx)
	defer giveUp()
	failed := make(chan error, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for flowing.Err() == nil {
			if _, err := f.publish(patient, "call.completed"); err != nil {
				failed <- err
				return
			}
			<-tick.C
		}
		failed <- nil
	}()
	err := do()
	stop()
	if err != nil {
		giveUp()
	}
	if err = errors.Join(err, <-failed); err != nil {
		return "", err
	}
	if err := f.wait(ctx); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d events accepted and arrived, %d of them twice, %d tries refused meanwhile", len(f.accepted)-accepted, f.twice()-twice, f.retried-retried), nil
}

// twice returns how many of the accepted events arrived more than once; those of
// the demo's own traffic do not count. f.mu is held.
func (f *flow) twice() (n int) {
	for id := range f.accepted {
		if f.arrived[id] > 1 {
			n++
		}
	}
	return n
}

// wait waits until all that was accepted has arrived.
func (f *flow) wait(ctx context.Context) error {
	return until(ctx, 3*time.Minute, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		missing := 0
		for id := range f.accepted {
			if f.arrived[id] == 0 {
				missing++
			}
		}
		if len(f.bad) > 0 {
			return fmt.Errorf("%d deliveries had a wrong signature, the first one %s", len(f.bad), f.bad[0])
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d accepted events have not arrived", missing, len(f.accepted))
		}
		return nil
	})
}
